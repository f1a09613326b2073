#!/usr/bin/env bash
# scripts/extract_matrix.sh [HIDDEN]: a client of masked-rounds that lies in its turns takes one matrix out of a random model, HIDDEN x HIDDEN (16; 32
# takes minutes), and says how many queries it took and how near it came. tests/extract_matrix.cc says how it does that; SECURITY.md what follows.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# shellcheck disable=SC2086
need_packages $packages_build $packages_test
build="${THEX_BUILD:-$root/build}"
[ -f "$build/build.ninja" ] || configure default "$build" -DTHEX_TESTS=ON
ninja -C "$build" extract-matrix >&2
exec "$build/extract-matrix" "$@"
