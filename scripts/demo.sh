#!/usr/bin/env bash
# scripts/demo.sh ["TEXT"]: private classification from nothing. Installs what the build needs, builds, starts a server process and
# a client process on loopback, and prints what came out, what it cost and who learned what. Without a text: five sentences.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# shellcheck disable=SC2086
need_packages $packages_build
build="$root/build"
# A build folder that is there already, of whatever kind, will do.
[ -f "$build/build.ninja" ] || configure default "$build" -DTHEX_TESTS=OFF
if ! ninja -C "$build" -n thex thex-server | grep -q 'no work to do'; then
  say "building (a few minutes the first time)"
  ninja -C "$build" thex thex-server >&2
fi
export THEX_HOME="${THEX_HOME:-$root/.thex}"

work="$(mktemp -d)"
server=
cleanup() {
  stop_server "$server"
  rm -rf "$work"
}
trap cleanup EXIT

if [ $# -gt 0 ]; then
  printf '%s\n' "$*" >"$work/texts"
else
  cat >"$work/texts" <<'TEXTS'
a gripping, beautiful film
the plot is thin and the jokes fall flat
one of the best performances of the year
i wanted to leave after twenty minutes
not a masterpiece, but warm, funny and well played
TEXTS
fi

start_server "$work/server" "$build/thex" serve --listen 127.0.0.1:0 --prepare 16 32 --json --log-level warning
say "server: process $server at $address"

"$build/thex" classify --server "$address" --input "$work/texts" --details --ledger

kill -TERM "$server"
wait "$server"
server=
say_what_server_did "$work/server"
