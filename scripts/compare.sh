#!/usr/bin/env bash
# scripts/compare.sh OLD_BUILD [PAIRS]: one encrypted sentence with two builds by turns, each with its own server and keys on this machine: PAIRS (20)
# queries of each, the length given by THEX_TOKENS (32), the model by THEX_MODEL (the embedded one). Prints the medians, and the median of the ratios
# new / old with its 95 % interval, of the server's busy time and of its processor time, which neighbours disturb less.
# OLD_BUILD: the build folder of another commit of this repository; THEX_BUILD: that of this one (build).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# -ge 1 ] || fail "name the build folder to compare with: scripts/compare.sh OLD_BUILD [PAIRS]"
old="$(cd "$1" && pwd)"
pairs="${2:-20}"
new="${THEX_BUILD:-$root/build}"
tokens="${THEX_TOKENS:-32}"
for folder in "$old" "$new"; do [ -x "$folder/thex" ] || fail "no $folder/thex; run scripts/test.sh in that repository first"; done
work="$(mktemp -d)"
servers=()
cleanup() {
  for pid in "${servers[@]}"; do stop_server "$pid"; done
  rm -rf "$work"
}
trap cleanup EXIT

addresses=()
start() { # start SIDE BUILD
  start_server "$work/server$1" env THEX_HOME="$work/home$1" "$2/thex" serve --listen 127.0.0.1:0 --json --log-level error
  servers+=("$server")
  addresses+=("$address")
}
text="$(printf 'film %.0s' $(seq "$((tokens - 4))"))"
query() { # query SIDE BUILD: "busy processor", the server's seconds for one query
  local before after busy
  before="$(awk '{ print $14 + $15 }' "/proc/${servers[$1]}/stat")"
  busy="$(THEX_HOME="$work/home$1" "$2/thex" classify --server "${addresses[$1]}" --json "$text" 2>/dev/null | sed -n 's/.*"server":\([0-9.e-]*\)[,}].*/\1/p')"
  after="$(awk '{ print $14 + $15 }' "/proc/${servers[$1]}/stat")"
  printf '%s %s\n' "$busy" "$(awk -v t="$((after - before))" -v hz="$(getconf CLK_TCK)" 'BEGIN { print t / hz }')"
}
start 0 "$old"
start 1 "$new"
# First queries, which make keys and prepare the circuits.
query 0 "$old" >/dev/null
query 1 "$new" >/dev/null
for i in $(seq "$pairs"); do
  if [ $((i % 2)) = 0 ]; then
    a="$(query 0 "$old")"
    b="$(query 1 "$new")"
  else
    b="$(query 1 "$new")"
    a="$(query 0 "$old")"
  fi
  printf '%s %s\n' "$a" "$b" >>"$work/pairs"
done
# The interval of the median is that of the order statistics: n/2 -+ 0.98 sqrt(n).
summary() { # summary NAME OLD_COLUMN NEW_COLUMN
  awk -v a="$2" -v b="$3" '{ printf "%g %g %g\n", $a, $b, $b / $a }' "$work/pairs" >"$work/columns"
  local n low high
  n="$(wc -l <"$work/columns")"
  low="$(awk -v n="$n" 'BEGIN { k = int(n / 2 - 0.98 * sqrt(n)); print k < 1 ? 1 : k }')"
  high=$((n + 1 - low))
  at() { sort -g "$work/sorted" | sed -n "$1p"; }
  column() { awk -v c="$1" '{ print $c }' "$work/columns" >"$work/sorted"; }
  column 1; local before; before="$(at $(((n + 1) / 2)))"
  column 2; local now; now="$(at $(((n + 1) / 2)))"
  column 3
  printf '%-16s %8.3f s %8.3f s   %.3f [%.3f, %.3f]\n' "$1" "$before" "$now" "$(at $(((n + 1) / 2)))" "$(at "$low")" "$(at "$high")"
}
printf '%-16s %10s %10s   ratio [95 %%]   %d tokens, %d pairs\n' '' before now "$tokens" "$pairs"
summary 'busy time' 1 3
summary 'processor time' 2 4
