#!/usr/bin/env bash
# scripts/latency.sh [RUNS]: the round trip of one sentence for each length bucket, and of each batch that the plan has, client and server as processes
# on this machine, without key generation and upload. Prints the median of RUNS (9) queries, its phases and the traffic; then the keys and the server's
# peak memory. THEX_MODEL names another model than the embedded one, THEX_PROTOCOL another
# protocol than the planner's choice.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

runs="${1:-9}"
build="${THEX_BUILD:-$root/build}"
[ -x "$build/thex" ] || fail "no $build/thex; run scripts/demo.sh or scripts/test.sh first"
export THEX_HOME="${THEX_HOME:-$root/.thex}"
work="$(mktemp -d)"
server=
cleanup() {
  stop_server "$server"
  rm -rf "$work"
}
trap cleanup EXIT
start_server "$work/server" "$build/thex" serve "${protocol_option[@]}" --listen 127.0.0.1:0 --json --log-level warning

field() { sed -n "s/.*\"$1\":\([0-9.e-]*\)[,}].*/\1/p"; }
printf '%9s %7s %7s %9s %9s %9s %9s %9s %11s %11s\n' sentences tokens bucket total encrypt turns server network 'MB sent' 'MB received'
"$build/thex" inspect "${protocol_option[@]}" --json | tr '{' '\n' | sed -n 's/^"tokens":\([0-9]*\),"sentences":\([0-9]*\),.*/\1 \2/p' >"$work/shapes"
while read -r bucket sentences; do
  text="$(printf 'film %.0s' $(seq "$((bucket - 4))"))"
  # One unmeasured query first: the server prepares a circuit's weights when it is first asked for.
  for _ in $(seq $(((runs + 1) * sentences))); do printf '%s\n' "$text"; done >"$work/texts"
  alone=
  if [ "$sentences" = 1 ]; then alone=--one-by-one; fi
  # shellcheck disable=SC2086
  "$build/thex" classify "${protocol_option[@]}" --server "$address" --input "$work/texts" --json $alone 2>/dev/null | awk -v n="$sentences" 'NR > n && NR % n == 0' |
    awk '{ t = $0; sub(/.*"total":/, "", t); sub(/[,}].*/, "", t); print t "\t" $0 }' | sort -g | sed -n "$(((runs + 1) / 2))p" | cut -f2- >"$work/median"
  line="$(cat "$work/median")"
  get() { printf '%s' "$line" | field "$1"; }
  awk -v n="$(get sentences)" -v tokens="$(get tokens)" -v bucket="$(get padded_tokens)" -v total="$(get total)" -v e="$(get encrypt)" -v r="$(get turns)" \
    -v s="$(get server)" -v w="$(get network)" -v up="$(get bytes_sent)" -v down="$(get bytes_received)" \
    'BEGIN { printf "%9d %7d %7d %8.3fs %8.3fs %8.3fs %8.3fs %8.3fs %11.2f %11.2f\n", n, tokens, bucket, total, e, r, s, w, up / 1e6, down / 1e6 }'
done <"$work/shapes"
kill -TERM "$server"
wait "$server" || true
server=
say_what_server_did "$work/server"
