#!/usr/bin/env bash
# scripts/shapes.sh [SHAPE...]: what a query of masked rounds costs for shapes that people use: bert-tiny-32, minilm-32, minilm-128, distilbert-128,
# bert-base-128 (all without arguments). BERT-tiny is the embedded model; the others have random weights of those sizes, calibrated. Client and server are processes on
# this machine; the second of two queries is timed, without keys and encoding of kept weights. Beside it: the planner's seconds (as measured by
# `thex bench --calibrate` on this machine) and the least time that the counted work can take, both on one thread; traffic; keys; the server's peak memory, and what `thex inspect` says it is at most (for all lengths
# up to that one, and batches). Fails where it was more.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

build="${THEX_BUILD:-$root/build}"
for program in thex make-test-model; do
  [ -x "$build/$program" ] || fail "no $build/$program; run scripts/test.sh first"
done
need_packages jq
work="${WORK:-$(mktemp -d)}"
export THEX_HOME="$work/home"
server='' address=''
cleanup() {
  stop_server "$server"
  if [ -z "${WORK:-}" ]; then rm -rf "$work"; fi
}
trap cleanup EXIT
mkdir -p "$work"
[ -f "$THEX_HOME/machine_costs.json" ] || "$build/thex" bench --calibrate >&2

# layers, hidden size, heads and FFN of random models
sizes_of() {
  case "$1" in
    minilm) echo 6 384 12 1536 ;;
    distilbert) echo 6 768 12 3072 ;;
    bert-base) echo 12 768 12 3072 ;;
    *) fail "no shape $1: bert-tiny, minilm, distilbert and bert-base are" ;;
  esac
}

measure() {  # SHAPE TOKENS
  local shape="$1" tokens="$2" text plan answers model=()
  local options=(--protocol masked-rounds --max-tokens "$tokens")
  if [ "$shape" != bert-tiny ]; then
    # shellcheck disable=SC2046
    [ -f "$work/$shape/config.json" ] || "$build/make-test-model" "$work/$shape" $(sizes_of "$shape") 128 1 --protocol masked-rounds >&2
    model=(--model "$work/$shape")
  fi
  plan="$("$build/thex" inspect "${model[@]}" "${options[@]}" --bounds --json |
    jq -c ".peak_memory_bytes as \$most | .buckets[] | select(.tokens == $tokens and .sentences == 1) | .most = \$most")"
  start_server "$work/server" "$build/thex" serve "${model[@]}" "${options[@]}" --listen 127.0.0.1:0 --json --log-level warning
  text="$(printf 'film %.0s' $(seq "$((tokens - 4))"))"
  answers="$(printf '%s\n%s\n' "$text" "$text" | "$build/thex" classify "${model[@]}" "${options[@]}" --server "$address" --input - --timeout 3600 --one-by-one --json 2>"$work/client.log" | tail -n 1)" ||
    fail "$(tail -n 1 "$work/client.log")"
  kill -TERM "$server"
  wait "$server" || true
  server=
  jq -rn --argjson plan "$plan" --argjson answer "$answers" --arg shape "$shape" --arg tokens "$tokens" --arg served "$(tail -n 1 "$work/server")" \
    '($served | fromjson) as $s | def d(n): . * pow(10; n) | round / pow(10; n);
     "| \($shape) | \($tokens) | \($answer.rounds) | \($answer.seconds.total | d(2)) | \($plan.seconds | d(1)) | \($plan.bound_seconds | d(1)) | \($answer.bytes_sent / 1e6 | d(1)) + \($answer.bytes_received / 1e6 | d(1)) | \($s.key_bytes / 1e6 | round) | \($s.peak_memory_bytes / 1e9 | d(1)) | \($plan.most / 1e9 | d(1)) |",
     (if $s.peak_memory_bytes > $plan.most then "the server took more memory than was stated" | halt_error(1) else empty end)'
}

echo '| shape | tokens | rounds | seconds | planned, one thread | least, one thread | MB up + down | MB of keys in memory | GB, server | GB stated |'
echo '|---|---|---|---|---|---|---|---|---|---|'
for row in "${@:-bert-tiny-32 minilm-32 minilm-128 distilbert-128 bert-base-128}"; do
  for one in $row; do measure "${one%-*}" "${one##*-}"; done
done
