#!/usr/bin/env bash
# scripts/lint.sh [--all | FILE.cc ...]: format, shell scripts, include order, length of functions, clang-tidy. clang-tidy reads the files named, or those
# that differ from $LINT_BASE (the last commit but one), or with --all every file of thex/ (4 s of a core each). What it found clean it does not read
# again until the file, a header of the project that it includes, or .clang-tidy changes: build/lint/ has a stamp for each.
# Needs a build folder with compile_commands.json ($LINT_BUILD, or build/; scripts/test.sh makes one); files that it does not build are left out.
# shellcheck disable=SC2317  # functions are called by name, through step
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck disable=SC2086,SC2154
need_packages $packages_lint
cd "$root"
build="${LINT_BUILD:-build}"
status=0
step() { # step NAME COMMAND ...: runs it and remembers a failure
  local name="$1"
  shift
  if "$@" >&2; then say "lint: $name: clean"; else say "lint: $name: FAILED"; status=1; fi
}

format() { git ls-files '*.cc' '*.h' | xargs -P "$(nproc)" -n 50 clang-format-14 --dry-run -Werror; }
shell() { git ls-files '*.sh' .ci/run | xargs shellcheck -x -P SCRIPTDIR -e SC2154; }
lengths() {
  local long
  long="$(scripts/functions.sh 80)"
  [ -z "$long" ] || { printf '%s\n' "$long"; return 1; }
}

# keys FILE ...: "KEY FILE" lines, where KEY is a digest of .clang-tidy, the file and all headers of the project that it includes, directly or not.
keys() {
  {
    git ls-files '*.cc' '*.h' | sed 's/^/= /'
    git ls-files '*.cc' '*.h' | git hash-object --stdin-paths | sed 's/^/# /'
    git ls-files '*.cc' '*.h' | xargs grep -HE '^ *#include "' | sed -E 's/^([^:]*): *#include "([^"]*)".*/+ \1 \2/'
    printf '? %s\n' "$@"
  } | awk '
    function visit(file,   k, n, list) {
      if (seen[file] == asked) return ""
      seen[file] = asked
      n = split(includes[file], list, " ")
      for (k = 1; k <= n; ++k) if (list[k] in id) visit(list[k])
      ids = ids " " id[file]
    }
    $1 == "=" { name[++names] = $2 }
    $1 == "#" { id[name[++hashed]] = $2 }
    $1 == "+" { includes[$2] = includes[$2] " " $3 }
    $1 == "?" { asked = $2; ids = ""; visit($2); print $2, ids }' |
    while read -r file ids; do
      printf '%s %s\n' "$({ cat .clang-tidy; printf '%s' "$ids"; } | sha256sum | cut -c 1-32)" "$file"
    done
}
tidy_one() { # tidy_one KEY FILE
  local before=()
  # libtorch's headers declare a type that clang wants complete (thex/convert/CMakeLists.txt).
  if [[ "$2" =~ ^thex/convert/[^/]*$|_torch_test\.cc$ ]]; then before=(--extra-arg-before=-include --extra-arg-before=ATen/core/ivalue.h); fi
  if nice -n 19 clang-tidy-14 -p "$build/lint" --quiet "${before[@]}" "$2" 2>/dev/null; then : >"$build/lint/$1"; else return 1; fi
}
export -f tidy_one
export build
tidy() {
  local key file unread=0 known=0 list=()
  [ ${#files[@]} -gt 0 ] || return 0
  [ -f "$build/compile_commands.json" ] || { say "no $build/compile_commands.json: run scripts/test.sh first"; return 1; }
  mkdir -p "$build/lint"
  # clang cannot read the headers that g++ has precompiled.
  sed -E 's/-include [^ ]*cmake_pch\.hxx//' "$build/compile_commands.json" >"$build/lint/compile_commands.json"
  while read -r key file; do
    if ! grep -qF "\"$root/$file\"" "$build/compile_commands.json"; then unread=$((unread + 1))
    elif [ -e "$build/lint/$key" ]; then known=$((known + 1))
    else list+=("$key" "$file"); fi
  done < <(keys "${files[@]}")
  say "lint: clang-tidy: $((${#list[@]} / 2)) files to read, $known known to be clean, $unread not built in $build"
  [ ${#list[@]} -gt 0 ] || return 0
  # shellcheck disable=SC2016
  printf '%s\n' "${list[@]}" | xargs -P "$(nproc)" -n 2 bash -c 'tidy_one "$@"' _
}

files=()
if [ "${1:-}" = --all ]; then
  mapfile -t files < <(git ls-files 'thex/*.cc')
elif [ $# -gt 0 ]; then
  files=("$@")
else
  base="${LINT_BASE:-HEAD~1}"
  if git rev-parse -q --verify "$base^{commit}" >/dev/null; then
    mapfile -t files < <(git diff --name-only --diff-filter=d "$base" -- 'thex/*.cc')
  fi
fi
step "format" format
step "shell scripts" shell
step "include order" tests/include_order_test.sh "$root"
step "length of functions" lengths
step "clang-tidy" tidy
exit $status
