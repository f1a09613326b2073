#!/usr/bin/env bash
# scripts/test.sh [CTEST ARGUMENTS]: installs what is missing, builds everything, libtorch training included, and runs all tests.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# shellcheck disable=SC2086
need_packages $packages_build $packages_test $packages_training $packages_bench
need_references
build="$root/build"
configure full "$build" -DTHEX_TESTS=ON
cmake --build "$build" >&2
exec ctest --test-dir "$build" --output-on-failure -j "$(nproc)" "$@"
