#!/usr/bin/env bash
# kernel_objects_test.sh BUILD SOURCE CXX: files compiled with AVX flags leave nothing that the linker could take for code of any processor. They
# include no header with inline code of others (the standard library's above all), and their objects define no weak symbol: the linker keeps
# one copy of such a symbol, and one made of AVX instructions would then run where there are none. Both searches must find a deliberate
# violation.
set -euo pipefail
build="$1" source="$2" cxx="$3"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

# The file's own lines and those of the project's headers that it includes.
includes() {
  local file="$1" header
  while read -r header; do
    if [ -f "$source/$header" ]; then
      if ! grep -qxF "$header" "$folder/seen"; then echo "$header" >>"$folder/seen"; includes "$source/$header"; fi
    else
      echo "$header"
    fi
  done < <(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]([^>"]+)[>"].*/\1/p' "$file")
}
foreign_includes() {
  : >"$folder/seen"
  includes "$1" | sort -u | grep -vxE 'cstddef|cstdint|immintrin\.h' || true
}
# Weak functions and objects, and unique ones.
weak_symbols() { nm -C --defined-only "$1" | grep -E '^[0-9a-f]* *[WVu] ' || true; }

cat >"$folder/violation.cc" <<'EOF'
#include <algorithm>
#include <cstdint>
inline std::uint64_t doubled(std::uint64_t x) { return x + x; }
std::uint64_t (*user())(std::uint64_t) { return doubled; }
EOF
"$cxx" -std=c++20 -O3 -mavx2 -c "$folder/violation.cc" -o "$folder/violation.o"
[ "$(foreign_includes "$folder/violation.cc")" = algorithm ] || { echo "the search for includes does not work" >&2; exit 1; }
weak_symbols "$folder/violation.o" | grep -q doubled || { echo "the search for weak symbols does not work" >&2; exit 1; }

status=0 checked=0
# CMake's compile_commands.json: "command", with the object after -o, and "file" on lines of their own.
while IFS=$'\t' read -r file object; do
  checked=$((checked + 1))
  found="$(foreign_includes "$file")"
  if [ -n "$found" ]; then
    echo "${file#"$source"/} is compiled with AVX flags and includes" "$found" >&2
    status=1
  fi
  [ -s "$build/$object" ] || { echo "no object $object: build first" >&2; exit 1; }
  found="$(weak_symbols "$build/$object")"
  if [ -n "$found" ]; then
    printf '%s\n' "${file#"$source"/} is compiled with AVX flags and defines weak symbols:" "$found" >&2
    status=1
  fi
done < <(awk -F'"' '/^ *"command"/ {object = ""; if ($0 ~ / -mavx/ && match($0, / -o [^ ]+/)) object = substr($0, RSTART + 4, RLENGTH - 4)}
                    /^ *"file"/ {if (object != "") print $4 "\t" object}' "$build/compile_commands.json")
if [ "$checked" -lt 5 ]; then echo "only $checked files with AVX flags were found: has the build changed?" >&2; exit 1; fi
echo "$checked files with AVX flags: no inline code of others, no weak symbols"
exit $status
