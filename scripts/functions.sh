#!/usr/bin/env bash
# scripts/functions.sh [LINES]: the functions of thex/ that are longer than LINES (80), outside tests: length, file, line and name. A table (a function
# of one statement that is a list) is no function with steps: scripts/long_tables.txt lists what is left out, with the reason.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_packages universal-ctags
limit="${1:-80}"
cd "$root"
find thex -name '*.cc' -o -name '*.h' | grep -v '_test\.cc$' | sort |
  ctags --languages=C++ --c++-kinds=f --fields=+ne --output-format=xref --_xformat='%n %{end} %F %N' -L - -f - 2>/dev/null |
  awk -v limit="$limit" '$2 != "" && $2 - $1 + 1 > limit { print $2 - $1 + 1, $3 ":" $1, $4 }' | sort -rn |
  grep -vFf <(sed -n 's/^\([^# ]*\).*/\1/p' scripts/long_tables.txt | sed '/^$/d' | grep . || echo '//nothing//') || true
