#!/usr/bin/env bash
# scripts/test.sh [CTEST ARGUMENTS]: installs what is missing, builds everything, libtorch training included, runs scripts/lint.sh on what the last
# commit and the working tree changed, and all tests.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# shellcheck disable=SC2086
need_packages $packages_build $packages_test $packages_training $packages_bench
need_references
build="$root/build"
configure full "$build" -DTHEX_TESTS=ON
cmake --build "$build" >&2
lint=0 tests=0
"$root/scripts/lint.sh" || lint=1
ctest --test-dir "$build" --output-on-failure -j "$(nproc)" "$@" || tests=$?
[ $lint = 0 ] || say "scripts/lint.sh found faults, see above"
exit $((tests != 0 ? tests : lint))
