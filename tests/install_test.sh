#!/usr/bin/env bash
# install_test.sh BUILD SOURCE: cmake --install into an empty prefix; the installed programs work there with the installed model, and
# another project builds against the package.
set -euo pipefail
build="$1" source="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
prefix="$work/prefix"

cmake --install "$build" --prefix "$prefix" >"$work/install.log"
[ -x "$prefix/bin/thex" ] && [ -x "$prefix/libexec/thex/thex-server" ]
for file in LICENSE THIRD_PARTY.md; do [ -f "$prefix/share/doc/thex/$file" ] || { echo "$file is not installed" >&2; exit 1; }; done
# No header is there that needs one which is not.
missing="$(cd "$prefix/include" && grep -rhoE '#include "thex/[^"]+"' thex | sed 's/.*"\(.*\)"/\1/' | sort -u | while read -r header; do [ -f "$header" ] || echo "$header"; done)"
[ -z "$missing" ] || { echo "installed headers include $missing" >&2; exit 1; }
unset THEX_MODEL
export THEX_HOME="$work/home"
plan="$("$prefix/bin/thex" inspect --max-tokens 32 --json)"
case "$plan" in *"$prefix/share/thex/models/bert-tiny-sst2"*) ;; *) echo "not the installed model: $plan" >&2; exit 1 ;; esac
"$prefix/bin/thex" serve --max-tokens 32 --listen 127.0.0.1:0 --json >"$work/ready" 2>"$work/server.log" &
server=$!
for _ in $(seq 100); do
  if [ -s "$work/ready" ]; then break; fi
  sleep 0.1
done
kill "$server"; wait "$server"
grep -q "$prefix/share/thex/models/bert-tiny-sst2: plan" "$work/server.log" || { echo "not the installed model:" >&2; cat "$work/server.log" >&2; exit 1; }
result="$("$prefix/bin/thex" classify --max-tokens 32 --json "a gripping, beautiful film" 2>/dev/null)"
case "$result" in *'"label":"positive"'*) ;; *) echo "classify: $result" >&2; exit 1 ;; esac

cmake -S "$source/tests/consumer" -B "$work/consumer" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release >"$work/consumer.log" ||
  { cat "$work/consumer.log" >&2; exit 1; }
cmake --build "$work/consumer" >"$work/consumer.log" || { cat "$work/consumer.log" >&2; exit 1; }
fingerprint="$("$work/consumer/consumer" "$prefix/share/thex/models/bert-tiny-sst2")"
case "$plan" in *"\"plan\":\"$fingerprint\""*) echo "installed, used and linked: plan $fingerprint" ;; *) exit 1 ;; esac
