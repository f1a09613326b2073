# shellcheck shell=bash disable=SC2154,SC2034
# Shared by the scripts that measure accuracy: the tasks' files, one evaluation, numbers for tables. Sourced after lib.sh and with
# $work set.

threads="${THREADS:-2}"
data="${THEX_DATA:-$root/../shared/data}"
build="${THEX_BUILD:-$root/build}"
glue="sst2 stsb mrpc rte"
[ -d "$data/glue" ] || fail "no $data/glue; set THEX_DATA"
need_packages jq
mkdir -p "$work"

files_of() {  # TASK: its training and dev files
  case "$1" in
    sst2) echo glue/SST-2/train.tsv glue/SST-2/dev.tsv ;;
    mrpc) echo glue/MRPC/train.tsv glue/MRPC/dev.tsv ;;
    rte) echo glue/RTE/train.tsv glue/RTE/dev.tsv ;;
    stsb) echo glue/STS-B/train.tsv glue/STS-B/dev.tsv ;;
    conll2003) echo conll2003/eng.train conll2003/eng.testa ;;
    *) fail "no task $1" ;;
  esac
}

# step LOG COMMAND...: tells what goes wrong.
step() {
  local log="$1"
  shift
  say "$(date +%H:%M:%S) ${log#"$work"/}"
  "$@" >"$log" 2>&1 || { tail -n 3 "$log" >&2; fail "see $log"; }
}

# evaluate MODEL TASK DEV LIMIT: in clear, with simulated noise and through client and server.
evaluate() {
  local out="$1" mode
  for mode in plain simulate encrypted; do
    [ -s "$out.$mode.json" ] && continue
    say "$(date +%H:%M:%S) ${out#"$work"/} $mode"
    "$build/thex" eval -m "$out" --task "$2" -d "$3" --mode "$mode" --limit "$4" --json --timeout 600 --threads "$threads" \
      >"$out.$mode.part" 2>"$out.$mode.log" || { tail -n 3 "$out.$mode.log" >&2; fail "see $out.$mode.log"; }
    mv "$out.$mode.part" "$out.$mode.json"
  done
}

# "83.9 ± 0.4" of the numbers on standard input; a single one has no spread.
mean_spread() {
  awk '{ n++; s += $1; q += $1 * $1 } END { if (!n) { print "-"; exit } m = s / n; v = n > 1 ? (q - n * m * m) / (n - 1) : 0
    if (n > 1) printf "%.2f ± %.2f\n", m, sqrt(v > 0 ? v : 0); else printf "%.2f\n", m }'
}

# A number of a result, formatted by printf; "-" where there is none.
field() {  # FORMAT FILE JQ
  local value
  value="$(jq -r "$3 // empty" "$2" 2>/dev/null || true)"
  # shellcheck disable=SC2059
  if [ -n "$value" ]; then printf "$1" "$value"; else printf -- -; fi
}

percent() { field %.2f "$1" "($2 // empty) * 100"; }

# Labels or tags in per cent; of regressions the largest difference of a value.
agreement() {
  if [ "$(field %s "$1" .max_value_error)" = - ]; then percent "$1" '(.label_agreement // .tag_agreement)'; else field %.1e "$1" .max_value_error; fi
}

# One row of the encrypted results: MODEL COLUMN...
encrypted_row() {
  local out="$1"
  shift
  [ -s "$out.encrypted.json" ] || return 0
  printf '| %s ' "$@" "$(percent "$out.plain.json" .value)" "$(percent "$out.simulate.json" .value)" \
    "$(percent "$out.encrypted.json" .value)" "$(agreement "$out.simulate.json")" "$(agreement "$out.encrypted.json")" \
    "$(field %.1e "$out.encrypted.json" .max_logit_error)" "$(field %.2f "$out.encrypted.json" '.mean_example_seconds // .mean_query_seconds')"
  echo '|'
}
