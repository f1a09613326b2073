#!/usr/bin/env bash
# extract_matrix_test.sh EXTRACT_MATRIX DOCUMENT: a lying client takes the matrix out of the small model (tests/extract_matrix.cc), in exactly as many
# queries of as many sentences as the document, SECURITY.md, says.
set -euo pipefail
program="$1" document="$2"

# counts WHOSE PATTERN: of standard input the two numbers that a sed expression takes out of it; exactly one line must have them.
counts() {
  local found
  found="$(sed -nE "s/$2/\1 queries of \2 sentences/p")"
  if [ -z "$found" ] || [ "$(wc -l <<<"$found")" != 1 ]; then
    printf 'one line of %s should say how many queries of how many sentences; there is: "%s"\n' "$1" "$found" >&2
    exit 1
  fi
  printf '%s' "$found"
}

stated="$(counts 'the document' '.*takes \*\*([0-9]+) queries\*\* of ([0-9]+) sentences.*' <"$document")"
output="$("$program" 16)" || { printf '%s\nnot extracted\n' "$output" >&2; exit 1; }
printf '%s\n' "$output"
counted="$(counts "what $program prints" '^([0-9]+) queries of ([0-9]+) sentences, .*' <<<"$output")"
if [ "$counted" != "$stated" ]; then
  printf 'it takes %s; %s says %s\n' "$counted" "$document" "$stated" >&2
  exit 1
fi
