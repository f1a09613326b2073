#!/usr/bin/env bash
# scripts/accuracy_deep.sh: what `thex convert` for masked rounds costs a six-layer model on SST-2, MRPC, RTE, STS-B and CoNLL-2003, in clear and encrypted; writes
# docs/ACCURACY_DEEP.md. Each model is the MiniLM-L6 encoder, fine-tuned on the task ("plain") and converted. Takes hours; a re-run goes on where the last
# one ended. The data is $THEX_DATA, or shared/data beside the repository. What is measured is put into docs/accuracy_deep, one record a task and seed, so that tasks can be
# measured at different times; the page shows all records.
#
#   TASKS="sst2 mrpc stsb rte conll2003"  SEEDS="1 2 3" (of MRPC, RTE and STS-B; the others take the first)  PHRASES=67349 (of SST-2)  ENCRYPTED=50  THREADS=2  WORK=accuracy_deep.work
#   scripts/accuracy_deep.sh --table   only writes the page, from the records
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tasks="${TASKS:-sst2 mrpc stsb rte conll2003}" seeds="${SEEDS:-1 2 3}" phrases="${PHRASES:-67349}"
encrypted="${ENCRYPTED:-50}" work="${WORK:-$root/accuracy_deep.work}"
records="$root/docs/accuracy_deep"
source "$(dirname "${BASH_SOURCE[0]}")/accuracy_lib.sh"

seeds_of() {
  case "$1" in
    mrpc | rte | stsb) echo "$seeds" ;;
    *) echo "${seeds%% *}" ;;
  esac
}

# Of large files three epochs make the plain model; small ones get as many steps by default.
plain_options() {
  case "$1" in
    sst2 | conll2003) echo --plain-epochs 3 ;;
    rte) echo --plain-rate 3e-5 ;;
  esac
}

# backbone_of TASK SEED: what the plain model of a task is fine-tuned from. The encoder itself stays at the majority class of RTE, so there it goes on from STS-B's model.
backbone_of() {
  if [ "$1" != rte ]; then
    echo "$data/minilm-l6-v2"
  elif [ -d "$work/stsb/seed-$2.plain" ]; then
    echo "$work/stsb/seed-$2.plain"
  else
    fail "RTE goes on from STS-B's plain model of the same seed: have stsb before rte in TASKS"
  fi
}

# pairs_of TASK [dev]: its training pairs, or those of its dev set, a tab between both texts; nothing of other tasks.
pairs_of() {
  local train dev columns
  read -r train dev <<<"$(files_of "$1")"
  case "$1" in
    mrpc) columns=4,5 ;;
    rte) columns=2,3 ;;
    stsb) columns=8,9 ;;
    *) return 0 ;;
  esac
  cut -f "$columns" "$data/$([ "${2:-}" = dev ] && echo "$dev" || echo "$train")" | tail -n +2 | tr -d '\r'
}

# Into $work/TASK/texts.txt, for a task of pairs: the other tasks' training pairs without labels, but none that has a text of the task's dev set.
other_pairs() {
  local other
  pairs_of "$1" dev | tr '\t' '\n' >"$work/$1/dev.txt"
  [ -s "$work/$1/dev.txt" ] || return 0
  for other in mrpc rte stsb; do
    [ "$other" = "$1" ] || pairs_of "$other"
  done | awk -F '\t' 'function key(text) { text = tolower(text); gsub(/[^a-z0-9]/, "", text); return text }
    NR == FNR { seen[key($0)] = 1; next }
    NF == 2 && $1 != "" && $2 != "" && !(key($1) in seen) && !(key($2) in seen)' "$work/$1/dev.txt" - >"$work/$1/texts.txt"
  echo --texts "$work/$1/texts.txt"
}

run_task() {
  local task="$1" train dev seed
  read -r train dev <<<"$(files_of "$task")"
  train="$data/$train" dev="$data/$dev"
  mkdir -p "$work/$task"
  if [ "$task" = sst2 ]; then
    head -n "$((phrases + 1))" "$train" >"$work/sst2/train.tsv"
    train="$work/sst2/train.tsv"
  fi
  for seed in $(seeds_of "$task"); do
    local out="$work/$task/seed-$seed"
    [ -f "$out/config.json" ] && continue
    local backbone
    backbone="$(backbone_of "$task" "$seed")"
    # shellcheck disable=SC2046
    step "$out.log" "$build/thex-convert" "$backbone" --backbone --protocol masked-rounds --task "$task" --train "$train" --dev "$dev" \
      --threads "$threads" --seed "$seed" $(plain_options "$task") $(other_pairs "$task") -o "$out"
    rm -rf "$out.plain"
    mv "$out.work/plain" "$out.plain"
    rm -rf "$out.work"
  done
}

# What the page shows of a report and of evaluations, into the records.
record() {
  local task="$1" seed mode
  mkdir -p "$records"
  for seed in $(seeds_of "$task"); do
    local out="$work/$task/seed-$seed" kept="$records/$task-$seed"
    jq '{task, metrics, seed, examples, stages: [.stages[] | {name, dev, held_out}], verdict: {standard_error: .verdict.standard_error, agreement: .verdict.agreement}, model_digest}' \
      "$out/report.json" >"$kept.report.json"
    for mode in plain simulate encrypted; do
      if [ -s "$out.$mode.json" ]; then cp "$out.$mode.json" "$kept.$mode.json"; fi
    done
  done
}

reports_of() { find "$records" -name "$1-*.report.json" | sort; }

# STAGE of every report of a task: its first metric.
stage_scores() {
  local report
  for report in $(reports_of "$1"); do
    jq -r --arg stage "$2" '.metrics[0] as $m | .stages[] | select(.name == $stage) | .dev[$m]' "$report"
  done
}
drops() { paste <(stage_scores "$1" plain) <(stage_scores "$1" half-precision) | awk 'NF == 2 { print $1 - $2 }'; }

# The standard error of the mean drop: that of the examples, which all seeds share, by the paired bootstrap of each report.
paired_error() {
  local report
  for report in $(reports_of "$1"); do jq -r .verdict.standard_error "$report"; done |
    awk '{ n++; s += $1 } END { if (n) printf "%.2f\n", s / n; else print "-" }'
}

# How alike the converted and the plain model decide, over the seeds where it was measured.
alike() {
  local report
  for report in $(reports_of "$1"); do jq -r '.verdict.agreement // empty' "$report"; done |
    awk '{ n++; s += $1 } END { if (n) printf "%.1f\n", s / n; else print "-" }'
}

table() {
  local task
  cat <<END
# Accuracy of deep models

Made by \`scripts/accuracy_deep.sh\`: the MiniLM-L6 encoder (6 layers, hidden 384), fine-tuned on the task (RTE's goes on from STS-B's) and converted for masked rounds (squares, a power of scores, one norm in two by
mean squares). First metric of each task on the full dev set, in per cent; mean and standard deviation over seeds, each with its own plain model. "examples" are those
of the training file without overlapping ones, held-out ones included. Choices are made on examples held out from the training file, never on the dev set. "error" is the standard error of the drop, by the
bootstrap over dev examples, paired. "alike": how many labels or tags are the plain model's, per cent (of values the correlation with its values), where that was measured. The conversions of MRPC, RTE and STS-B also see each other's training pairs, without labels and without pairs that share a text with the task's dev set.

| task | metric | examples | seeds | plain | closed form | converted | drop | error | alike |
|---|---|---|---|---|---|---|---|---|---|
END
  for task in $tasks; do
    local first
    first="$(reports_of "$task" | head -n 1)"
    [ -n "$first" ] || continue
    printf '| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "$task" "$(jq -r '.metrics[0]' "$first")" "$(jq -r '.examples | .train + .held_out' "$first")" "$(drops "$task" | wc -l)" \
      "$(stage_scores "$task" plain | mean_spread)" "$(stage_scores "$task" polynomials | mean_spread)" "$(stage_scores "$task" half-precision | mean_spread)" \
      "$(drops "$task" | mean_spread)" "$(paired_error "$task")" "$(alike "$task")"
  done
  for task in $glue; do drops "$task" | awk '{ n++; s += $1 } END { if (n) print s / n }'; done |
    awk '{ n++; s += $1 } END { if (n) printf "| mean of %d GLUE tasks | | | | | | | %.2f | | |\n", n, s / n }'
  cat <<END

## Encrypted
The first $encrypted examples of the dev set through client and server, seed ${seeds%% *}, against the same model in clear. "agreement": share of equal labels or tags; for regressions the
largest difference of a value. Seconds of one example in batches, without key generation, beside other work.

| task | metric, clear | simulated noise | encrypted | agreement simulated | agreement encrypted | largest logit error | seconds an example |
|---|---|---|---|---|---|---|---|
END
  for task in $tasks; do encrypted_row "$records/$task-${seeds%% *}" "$task"; done
}

if [ "${1:-}" != --table ]; then
  [ -x "$build/thex-convert" ] || fail "no $build/thex-convert; run scripts/test.sh first"
  for task in $tasks; do
    run_task "$task"
    record "$task"
  done
  for task in $tasks; do
    read -r _ dev <<<"$(files_of "$task")"
    evaluate "$work/$task/seed-${seeds%% *}" "$task" "$data/$dev" "$encrypted"
    record "$task"
  done
fi
table >"$work/ACCURACY_DEEP.md"
cp "$work/ACCURACY_DEEP.md" "$root/docs/ACCURACY_DEEP.md"
cat "$work/ACCURACY_DEEP.md"
