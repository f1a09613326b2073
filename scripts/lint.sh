#!/usr/bin/env bash
# scripts/lint.sh [--all] [FILE.cc ...]: format, shell scripts, include order, length of functions, clang-tidy. clang-tidy reads the files named, or those
# that differ from $LINT_BASE (the last commit but one), or with --all every file of thex/ (half an hour on two cores).
# Needs a build folder with compile_commands.json (scripts/test.sh makes one).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck disable=SC2086,SC2154
need_packages $packages_lint
cd "$root"
status=0
step() { # step NAME COMMAND ...: runs it and remembers a failure
  local name="$1"
  shift
  if "$@" >&2; then say "lint: $name: clean"; else say "lint: $name: FAILED"; status=1; fi
}

# shellcheck disable=SC2317  # called by name through step
format() { git ls-files '*.cc' '*.h' | xargs -P "$(nproc)" -n 50 clang-format-14 --dry-run -Werror; }
# shellcheck disable=SC2317
shell() { git ls-files '*.sh' .ci/run | xargs shellcheck -x -P SCRIPTDIR -e SC2154; }
# shellcheck disable=SC2317
lengths() {
  local long
  long="$(scripts/functions.sh 80)"
  [ -z "$long" ] || { printf '%s\n' "$long"; return 1; }
}
# shellcheck disable=SC2317
tidy() {
  [ -f build/compile_commands.json ] || { say "no build/compile_commands.json: run scripts/test.sh first"; return 1; }
  [ ${#files[@]} -gt 0 ] || return 0
  printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy-14 -p build --quiet 2>/dev/null
}

files=()
if [ "${1:-}" = --all ]; then
  mapfile -t files < <(git ls-files 'thex/*.cc')
elif [ $# -gt 0 ]; then
  files=("$@")
else
  base="${LINT_BASE:-HEAD~1}"
  if git rev-parse -q --verify "$base" >/dev/null; then
    mapfile -t files < <(git diff --name-only --diff-filter=d "$base" -- 'thex/*.cc')
  fi
fi
step "format" format
step "shell scripts" shell
step "include order" tests/include_order_test.sh "$root"
step "length of functions" lengths
step "clang-tidy on ${#files[@]} files" tidy
exit $status
