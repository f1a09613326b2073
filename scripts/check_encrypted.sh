#!/usr/bin/env bash
# scripts/check_encrypted.sh [LIMIT]: the first LIMIT (100) sentences of the SST-2 dev set through client and server, encrypted, against
# the clear HE-friendly model: logits within 1e-2, the same label wherever the clear margin exceeds 0.05.
# By the protocol THEX_PROTOCOL, or what thex takes by itself. The data is $THEX_DATA/glue/SST-2/dev.tsv, or shared/data beside the repository.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

limit="${1:-100}"
data="${THEX_DATA:-$root/../shared/data}/glue/SST-2/dev.tsv"
[ -f "$data" ] || fail "no $data; set THEX_DATA"
build="${THEX_BUILD:-$root/build}"
[ -x "$build/thex" ] || fail "no $build/thex; run scripts/demo.sh or scripts/test.sh first"
export THEX_HOME="${THEX_HOME:-$root/.thex}"

result="$("$build/thex" eval "${protocol_option[@]}" --mode encrypted --limit "$limit" --data "$data" --json)"
printf '%s\n' "$result"
field() { printf '%s' "$result" | sed -n "s/.*\"$1\":\([-+.0-9e]*\).*/\1/p"; }
awk -v examples="$(field examples)" -v wanted="$limit" -v error="$(field max_logit_error)" -v flips="$(field confident_disagreements)" 'BEGIN {
  ok = examples == wanted && error != "" && error + 0 <= 1e-2 && flips == "0"
  printf "%s: %d sentences, largest logit difference %g (at most 0.01), %s other labels at a margin above 0.05 (none)\n",
    ok ? "passed" : "FAILED", examples, error, flips
  exit !ok
}'
