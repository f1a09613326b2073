#!/usr/bin/env bash
# scripts/fuzz.sh [SECONDS]: builds every fuzz target with clang and runs each for SECONDS (60) on its corpus in fuzz/corpus. A finding
# is left in the folder build-fuzz/findings and makes the script fail.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

seconds="${1:-60}"
# shellcheck disable=SC2086
need_packages $packages_build $packages_fuzz
build="$root/build-fuzz"
# Training checkpoints are fuzzed where libtorch is installed.
training=OFF
if dpkg-query -W -f='${db:Status-Status}\n' libtorch-dev 2>/dev/null | grep -qx installed; then training=ON; fi
configure fuzz "$build" -DTHEX_TRAINING="$training"
cmake --build "$build" --target fuzzers >&2
mkdir -p "$build/findings"
failed=()
for source in "$root"/fuzz/*_fuzz.cc; do
  name="$(basename "$source" .cc)"
  if [ "$name" = checkpoint_fuzz ] && [ "$training" = OFF ]; then say "$name: skipped, no libtorch"; continue; fi
  corpus="$root/fuzz/corpus/${name%_fuzz}"
  grown="$build/corpus/$name"  # new inputs; the repository's corpus is only read
  mkdir -p "$grown"
  say "$name: $seconds s"
  folders=("$grown")
  if [ -d "$corpus" ]; then folders+=("$corpus"); fi
  "$build/$name" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="$build/findings/$name-" "${folders[@]}" >"$build/$name.log" 2>&1 || failed+=("$name")
  grep -E 'stat::number_of_executed_units|ERROR|SUMMARY' "$build/$name.log" >&2 || true
done
if [ ${#failed[@]} -gt 0 ]; then fail "findings in ${failed[*]}: see $build/NAME.log and $build/findings"; fi
say "no findings"
