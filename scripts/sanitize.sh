#!/usr/bin/env bash
# scripts/sanitize.sh [asan|tsan] [CTEST ARGUMENTS]: the fast tests under AddressSanitizer and UndefinedBehaviorSanitizer (the default) or
# under ThreadSanitizer.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

preset="${1:-asan}"
[ $# -gt 0 ] && shift
case "$preset" in asan | tsan) ;; *) fail "asan or tsan, not $preset" ;; esac
# shellcheck disable=SC2086
need_packages $packages_build $packages_test
build="$root/build-$preset"
configure "$preset" "$build"
cmake --build "$build" >&2
exec ctest --test-dir "$build" --output-on-failure -L fast "$@"
