#!/usr/bin/env bash
# scripts/coverage.sh [CTEST ARGUMENTS]: builds with clang's source-based coverage, runs the fast tests, and prints the share of lines that they run,
# room by room (docs/rooms.txt). Training is left out: it needs libtorch, which clang 14 does not build with coverage in reasonable time.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck disable=SC2086,SC2154
need_packages $packages_build $packages_test $packages_fuzz llvm-14
build="$root/build-coverage"
configure coverage "$build"
cmake --build "$build" >&2
rm -f "$build"/profiles/*.profraw
export LLVM_PROFILE_FILE="$build/profiles/%p-%m.profraw"
ctest --test-dir "$build" -L fast -j "$(nproc)" "$@" >&2 || say "some tests failed; the figures are those of what ran"
find "$build/profiles" -name '*.profraw' >"$build/profiles/list"
llvm-profdata-14 merge -sparse -f "$build/profiles/list" -o "$build/coverage.profdata"
find "$build/profiles" -name '*.profraw' -delete
programs=()
while read -r program; do programs+=(-object "$program"); done < <(find "$build" -maxdepth 1 -type f -perm -u+x)
llvm-cov-14 export "${programs[@]}" -instr-profile "$build/coverage.profdata" -format=lcov -skip-expansions \
  -ignore-filename-regex='(_test\.cc|/tests/|/fuzz/|/usr/)' 2>/dev/null |
  awk -v root="$root/" -v rooms="$root/docs/rooms.txt" '
    BEGIN { while ((getline line < rooms) > 0) if (line ~ /^[a-z]/) { sub(/:.*/, "", line); order[++count] = line; known[line] = 1 } }
    /^SF:/ { file = substr($0, 4); gsub("/[^/]*/[.][.]/", "/", file); sub(root "thex/", "", file); best = ""
             for (r in known) if (index(file, r "/") == 1 && length(r) > length(best)) best = r }
    /^LF:/ { lines[best] += substr($0, 4) }
    /^LH:/ { hit[best] += substr($0, 4) }
    END {
      printf "%-20s %7s %7s %7s\n", "room", "lines", "run", "share"
      for (k = 1; k <= count; ++k) { r = order[k]; if (lines[r] == 0) continue
        printf "%-20s %7d %7d %6.1f%%\n", r, lines[r], hit[r], 100 * hit[r] / lines[r]; all += lines[r]; ran += hit[r] }
      printf "%-20s %7d %7d %6.1f%%\n", "all", all, ran, 100 * ran / all
    }'
