#!/usr/bin/env bash
# scripts/accuracy.sh: what each stage of the workflow costs on SST-2, MRPC, RTE, STS-B and CoNLL-2003 for BERT-tiny's shape, in clear and
# encrypted, for several seeds, by the published recipe and by ours for both protocols, and for MiniLM-L6 by ours; writes docs/ACCURACY.md from the results. Takes hours;
# a re-run goes on where the last one ended. The data is $THEX_DATA, or shared/data beside the repository.
#
#   TASKS="sst2 stsb mrpc rte conll2003"  SEEDS="1 2 3"  PROFILES="paper default one-round"  ENCRYPTED=200  LARGE="sst2 stsb mrpc rte"  THREADS=2  WORK=accuracy.work
#   scripts/accuracy.sh --table   only writes the page, from the results that are there
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tasks="${TASKS:-sst2 stsb mrpc rte conll2003}" seeds="${SEEDS:-1 2 3}" profiles="${PROFILES:-paper default one-round}"
large="${LARGE-sst2 stsb mrpc rte}" large_encrypted=20
encrypted="${ENCRYPTED:-200}" work="${WORK:-$root/accuracy.work}"
source "$(dirname "${BASH_SOURCE[0]}")/accuracy_lib.sh"

# Options of the plain student: variants of training examples, labelled by the teacher, where there are few or short ones.
plain_options() {
  case "$1" in
    sst2) echo --augment 50000 --epochs 3 --embedding-rate 5e-4 --hard 0.1 ;;
    conll2003) echo --min-steps 4000 ;;
    mrpc) echo --augment 6000 --min-steps 1500 --rate 2e-4 --embedding-rate 2e-4 --hard 0.1 ;;
    rte) echo --augment 3000 --min-steps 1000 --rate 2e-4 --embedding-rate 2e-4 --hard 0.3 ;;
    *) echo --augment 30000 --min-steps 4000 --hard 0.1 ;;
  esac
}

# Options of a conversion: the published recipe ("paper") and ours ("default") for the protocol the-x, and ours for one-round.
profile_options() {
  case "$1" in
    one-round) echo --protocol one-round ;;
    *) echo --protocol the-x --profile "$1" ;;
  esac
}

run_task() {
  local task="$1" train dev seed profile folder backbone="$data/minilm-l6-v2"
  read -r train dev <<<"$(files_of "$task")"
  local common=(--task "$task" --train "$data/$train" --dev "$data/$dev" --threads "$threads")
  mkdir -p "$work/$task"
  # MRPC and RTE have too few examples to learn from: students go on from those of STS-B, pairs of texts as well, and for RTE so does the teacher.
  if [ "$task" = mrpc ] || [ "$task" = rte ]; then
    [ -f "$work/stsb/teacher/config.json" ] || fail "$task starts from the models of stsb: run that task before"
    if [ "$task" = rte ]; then backbone="$work/stsb/teacher"; fi
  fi
  for seed in $seeds; do
    folder="$work/$task/seed-$seed"
    mkdir -p "$folder"
    local teacher=() start=()
    if [ "$task" = mrpc ] || [ "$task" = rte ]; then start=(--start "$work/stsb/seed-$seed/plain"); fi
    if [ "$task" = rte ]; then start+=(--teacher-rate 3e-5); fi
    if [ -f "$work/$task/teacher/config.json" ]; then teacher=(--teacher "$work/$task/teacher"); fi
    if [ ! -f "$folder/plain/config.json" ]; then
      # shellcheck disable=SC2046
      step "$folder/plain.log" "$build/thex-convert" make-plain "$backbone" "${common[@]}" --seed "$seed" \
        $(plain_options "$task") "${start[@]}" "${teacher[@]}" -o "$folder/plain"
      if [ ${#teacher[@]} = 0 ]; then cp -r "$folder/plain.work/teacher" "$work/$task/teacher"; fi
      rm -rf "$folder/plain.work"
    fi
    for profile in $profiles; do
      local out="$folder/$profile"
      if [ ! -f "$out/config.json" ]; then
        # shellcheck disable=SC2046
        step "$out.log" "$build/thex-convert" "$folder/plain" $(profile_options "$profile") "${common[@]}" --seed "$seed" -o "$out"
        rm -rf "$out.work"
      fi
    done
  done
  # Encrypted: the first seed of each profile.
  for profile in $profiles; do evaluate "$work/$task/seed-${seeds%% *}/$profile" "$task" "$data/$dev" "$encrypted"; done
}

# The MiniLM-L6 that was the students' teacher. Two LayerNorms at a time and fewer steps than the defaults: hours otherwise.
run_large() {
  local task="$1" train dev out="$work/$1/minilm"
  read -r train dev <<<"$(files_of "$task")"
  train="$data/$train" dev="$data/$dev"
  if [ "$task" = sst2 ]; then
    head -n 8001 "$train" >"$work/sst2/train-8000.tsv"
    train="$work/sst2/train-8000.tsv"
  fi
  if [ ! -f "$out/config.json" ]; then
    step "$out.log" "$build/thex-convert" "$work/$task/teacher" --protocol the-x --task "$task" --train "$train" --dev "$dev" --threads "$threads" \
      --augment 2000 --min-steps 200 --final-steps 400 --norm-group 2 -o "$out"
    rm -rf "$out.work"
  fi
  evaluate "$out" "$task" "$dev" "$large_encrypted"
}

# The first metric of one stage in every report of a task and profile. Of several names each report has one.
stage_scores() {  # TASK PROFILE STAGE|STAGE
  local seed report
  for seed in $seeds; do
    report="$work/$1/seed-$seed/$2/report.json"
    if [ -f "$report" ]; then jq -r --arg stage "$3" '.metrics[0] as $m | .stages[] | select(.name | IN($stage | split("|")[])) | .dev[$m]' "$report"; fi
  done
}

# What every seed lost from its plain model to the saved one, in points.
drops() {  # TASK PROFILE
  paste <(stage_scores "$1" "$2" plain) <(stage_scores "$1" "$2" half-precision) | awk 'NF == 2 { print $1 - $2 }'
}

table() {
  local task profile
  cat <<'END'
# Accuracy

Made by `scripts/accuracy.sh`; models of BERT-tiny's shape (2 layers, hidden 128) distilled from a MiniLM-L6 that was fine-tuned on the task (students of
MRPC and RTE, which have few examples, go on from those of STS-B; for RTE so does the MiniLM).
First metric of each task on the full dev set, in per cent: mean and standard deviation over seeds (each with its own plain model). "paper" is
the published recipe and "default" is ours, both for the protocol the-x (ReLU, softmax estimation); "one-round" is ours for the protocol of that name (square, power
softmax; SST-2 in `models/bert-tiny-sst2/README.md`). Epochs are chosen on examples held out from the training file, never on the dev set. Examples are cut at 128 tokens.

| task | metric | profile | seeds | plain | activation | + softmax | + LayerNorm | drop |
|---|---|---|---|---|---|---|---|---|
END
  for task in $tasks; do
    for profile in $profiles; do
      local last count metric
      count="$(stage_scores "$task" "$profile" half-precision | wc -l)"
      [ "$count" -gt 0 ] || continue
      metric="$(jq -r '.metrics[0]' "$(find "$work/$task" -path "*/$profile/report.json" -print -quit)")"
      last="$(drops "$task" "$profile" | mean_spread)"
      printf '| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "$task" "$metric" "$profile" "$count" \
        "$(stage_scores "$task" "$profile" plain | mean_spread)" "$(stage_scores "$task" "$profile" "relu|square" | mean_spread)" \
        "$(stage_scores "$task" "$profile" "fine-tuned|power-softmax" | mean_spread)" \
        "$(stage_scores "$task" "$profile" half-precision | mean_spread)" "$last"
    done
  done
  for profile in $profiles; do
    for task in $glue; do drops "$task" "$profile" | awk '{ n++; s += $1 } END { if (n) print s / n }'; done |
      awk -v profile="$profile" '{ n++; s += $1 } END { if (n) printf "| mean of %d GLUE tasks | | %s | | | | | | %.2f |\n", n, profile, s / n }'
  done
  cat <<END

The paper's drops in points, cumulative and averaged over seven GLUE tasks: ReLU 0.25, + softmax 0.34, + LayerNorm 1.42, encrypted 1.48; STS-B
4.44 (Pearson), CoNLL-2003 1.90 (F1).

## Encrypted
The first $encrypted examples of the dev set through client and server, seed ${seeds%% *}, against the same model in clear on the same examples.
"agreement": share of equal labels or tags; for regressions the largest difference of a value. Seconds of one example, without key generation (of one-round, examples that share a query share its time), on a machine that trained
other models meanwhile: \`docs/BENCHMARKS.md\` has undisturbed ones.

| task | profile | metric, clear | simulated noise | encrypted | agreement simulated | agreement encrypted | largest logit error | seconds an example |
|---|---|---|---|---|---|---|---|---|
END
  for task in $tasks; do
    for profile in $profiles; do encrypted_row "$work/$task/seed-${seeds%% *}/$profile" "$task" "$profile"; done
  done
  cat <<END

## MiniLM-L6
6 layers, hidden 384, one seed, protocol the-x, default profile with \`--augment 2000 --min-steps 200 --final-steps 400 --norm-group 2\`; SST-2 on the first 8,000 training
phrases. Full dev set; encrypted on its first $large_encrypted examples.

| task | metric | plain | converted | drop |
|---|---|---|---|---|
END
  for task in $large; do
    local report="$work/$task/minilm/report.json"
    [ -f "$report" ] || continue
    jq -r --arg task "$task" '.metrics[0] as $m | (.stages[0].dev[$m]) as $a | (.stages[-1].dev[$m]) as $b
      | "| \($task) | \($m) | \($a * 100 | round / 100) | \($b * 100 | round / 100) | \(($a - $b) * 100 | round / 100) |"' "$report"
  done
  cat <<END

| task | metric, clear | simulated noise | encrypted | agreement simulated | agreement encrypted | largest logit error | seconds an example |
|---|---|---|---|---|---|---|---|
END
  for task in $large; do encrypted_row "$work/$task/minilm" "$task"; done
}

if [ "${1:-}" != --table ]; then
  if [ -z "${THEX_BUILD:-}" ]; then
    # shellcheck disable=SC2086
    need_packages $packages_build $packages_test $packages_training $packages_bench
    configure full "$build" -DTHEX_TESTS=ON
    cmake --build "$build" --target thex thex-server thex-convert >&2
  fi
  for task in $tasks; do run_task "$task"; done
  for task in $large; do run_large "$task"; done
fi
table >"$work/ACCURACY.md"
if [ "${1:-}" = --table ] || [ "$tasks" = "sst2 stsb mrpc rte conll2003" ]; then cp "$work/ACCURACY.md" "$root/docs/ACCURACY.md"; fi
cat "$work/ACCURACY.md"
