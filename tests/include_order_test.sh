#!/usr/bin/env bash
# include_order_test.sh ROOT: holds every #include of thex/ against docs/rooms.txt, and fails on cycles between files. Tests (*_test.cc) may
# include anything; nothing else in thex/ may include from tests/ or fuzz/. First it proves on planted trees that it would find faults.
set -euo pipefail
root="$1"

# check ROOT: prints the faults of the tree there, one a line.
check() {
  (
    cd "$1"
    find thex -name '*.h' -o -name '*.cc' | sort | xargs grep -HE '^ *#include "' | sed -E 's/^([^:]*): *#include "([^"]*)".*/\1 \2/' |
      awk -v rooms=docs/rooms.txt '
        function room_of(path,   r, best) {
          best = ""
          for (r in known) if (index(path, "thex/" r "/") == 1 && length(r) > length(best)) best = r
          return best
        }
        function allow(from, to,   k, n, list) {  # `from` may know `to` and all that it knows
          if ((from, to) in may) return
          may[from, to] = 1
          n = split(direct[to], list, " ")
          for (k = 1; k <= n; ++k) allow(from, list[k])
        }
        function visit(file, trail,   k, n, list) {
          if (state[file] == 2) return
          if (state[file] == 1) { print "cycle: " trail " " file; return }
          state[file] = 1
          n = split(includes[file], list, " ")
          for (k = 1; k <= n; ++k) visit(list[k], trail " " file)
          state[file] = 2
        }
        BEGIN {
          while ((getline line < rooms) > 0) {
            sub(/#.*/, "", line)
            if (line !~ /:/) continue
            room = line; sub(/:.*/, "", room); gsub(/ /, "", room)
            sub(/^[^:]*:/, "", line)
            direct[room] = line; known[room] = 1; ++count
          }
          if (count == 0) { print "no rooms in " rooms; exit }
          for (r in known) allow(r, r)
          for (r in direct) { n = split(direct[r], list, " "); for (k = 1; k <= n; ++k) if (!(list[k] in known)) print rooms ": no room " list[k] }
          for (a in known) for (b in known) if (a != b && ((a, b) in may) && ((b, a) in may)) print rooms ": " a " and " b " know each other"
        }
        {
          file = $1; target = $2; test = file ~ /_test[.]cc$/
          if (!test && target ~ /^(tests|fuzz)\//) print file ": includes " target ", which is for tests"
          if (target !~ /^thex\//) next
          ++seen
          includes[file] = includes[file] " " target
          if (test) next
          from = room_of(file); to = room_of(target)
          if (from == "") { print file ": in no room"; next }
          if (to == "") { print file ": " target " is in no room"; next }
          if (!((from, to) in may)) print file ": " from " may not know " to " (" target ")"
        }
        END {
          if (seen == 0) print "no includes found"
          for (f in includes) visit(f, "")
        }'
  )
}

planted="$(mktemp -d)"
trap 'rm -rf "$planted"' EXIT
expect() {  # expect WORDS: the planted tree has exactly such faults
  local found
  found="$(check "$planted")"
  if ! grep -q "$1" <<<"$found" || [ "$(wc -l <<<"$found")" != 1 ]; then
    printf 'the check cannot be trusted: a planted fault (%s) gave: %s\n' "$1" "$found" >&2
    exit 1
  fi
}
plant() {
  rm -rf "${planted:?}/thex" "$planted/docs"
  mkdir -p "$planted/docs" "$planted/thex/low" "$planted/thex/high/inner"
  printf 'low:\nhigh: low\n' >"$planted/docs/rooms.txt"
  printf '#include "thex/low/a.h"\n' >"$planted/thex/high/inner/b.h"
  printf '#include <vector>\n' >"$planted/thex/low/a.h"
}
plant
[ -z "$(check "$planted")" ] || { echo "the check finds faults in a sound tree: $(check "$planted")" >&2; exit 1; }
printf '#include "thex/high/inner/b.h"\n' >"$planted/thex/low/c.cc"
expect 'low may not know high'
plant
printf '#include "thex/high/d.h"\n' >"$planted/thex/high/e.h"
printf '#include "thex/high/e.h"\n' >"$planted/thex/high/d.h"
expect 'cycle'
plant
printf '#include "tests/support/x.h"\n' >"$planted/thex/high/f.cc"
expect 'which is for tests'
printf '#include "tests/support/x.h"\n' >"$planted/thex/high/f_test.cc"
rm "$planted/thex/high/f.cc"
[ -z "$(check "$planted")" ] || { echo "the check refuses a test's include" >&2; exit 1; }

faults="$(check "$root")"
if [ -n "$faults" ]; then
  printf '%s\n' "$faults" >&2
  echo "$(wc -l <<<"$faults") includes against docs/rooms.txt" >&2
  exit 1
fi
echo "every include is in the order of docs/rooms.txt"
