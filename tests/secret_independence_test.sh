#!/usr/bin/env bash
# secret_independence_test.sh PROGRAM: runs secret_independence_test under valgrind with the kernels of THEX_ISA. The program itself must pass
# without a report, each deliberate violation in it must be reported: else the search would prove nothing.
set -euo pipefail
program="$1"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT

# Memory that is never written is no concern here; leaks are another tool's.
run() {
  local status=0
  valgrind --tool=memcheck --error-exitcode=99 --exit-on-first-error=no --leak-check=no --undef-value-errors=yes --error-limit=no -q \
    "$program" "$@" >"$log" 2>&1 || status=$?
  return "$status"
}

status=0
run || status=$?
if [ "$status" = 99 ]; then head -60 "$log" >&2; echo "a branch or an address depends on a secret" >&2; exit 1; fi
if [ "$status" != 0 ]; then cat "$log" >&2; exit 1; fi
cat "$log"

for control in control-ternary-branch control-gaussian-index control-key-branch control-uniform-rejection; do
  status=0
  run "$control" || status=$?
  if [ "$status" != 99 ] || ! grep -qE 'depends on uninitialised value|Use of uninitialised value' "$log"; then
    cat "$log" >&2
    echo "$control was not reported (status $status): the search cannot be trusted" >&2
    exit 1
  fi
  echo "$control: reported, as it should"
done
