#!/usr/bin/env bash
# named_paths_test.sh ROOT: what documents and comments call by name is there. In every document (*.md): every file or folder
# of the project that is named in code style or linked, and every name that stands before its file, `Name` (`file.cc`), is in that file. In comments
# of thex/, tests/, fuzz/, bench/ and examples/: every .h and .cc. Names of files may leave out thex/, or the folder where no other has that name.
# First it proves on a planted tree that it would find faults.
# shellcheck disable=SC2016  # ` is a character of documents
set -euo pipefail
root="$1"

# check ROOT: the faults of the tree there, one a line.
check() {
  (
    cd "$1"
    {
      find . -type f -not -path './build*' -not -path './.git/*' -not -path '*/node_modules/*' | sed 's/^\.\//= /'
      for document in *.md docs/*.md examples/*.md models/*/*.md tests/node/*.md; do
        [ -f "$document" ] || continue
        # `code`, `code` and [text](link), in their order; a fenced block is a screen, not a reference.
        awk -v document="$document" '
          /^```/ { fenced = !fenced; next }
          fenced { next }
          {
            line = $0
            for (count = 0; match(line, /`[^`]+`|\]\([^)#:]+\)/); ++count) {
              word = substr(line, RSTART, RLENGTH); gap = substr(line, 1, RSTART - 1)
              line = substr(line, RSTART + RLENGTH)
              link = word ~ /^\]/
              word = link ? substr(word, 3, length(word) - 3) : substr(word, 2, length(word) - 2)
              if (word !~ / /) print "+", document ":" NR, (link ? "link" : (count > 0 && gap == " (") ? "file_of" : "code"), word
            }
          }' "$document"
      done
      { find thex tests fuzz bench examples -name '*.h' -o -name '*.cc' 2>/dev/null || true; } | sort | xargs grep -HnoE '^ *//.*|[;{},] //.*' /dev/null |
        grep -vE 'IWYU|clang-format' | awk -F: '{
          where = $1 ":" $2; text = substr($0, length(where) + 2)
          while (match(text, /[A-Za-z0-9_.\/-]+\.(h|cc)([^A-Za-z0-9_]|$)/)) {
            word = substr(text, RSTART, RLENGTH); sub(/[^A-Za-z0-9_]$/, "", word)
            print "+", where, "comment", word
            text = substr(text, RSTART + RLENGTH)
          }
        }'
    } | awk '
      function there(path) { return (path in file) || (path in folder) }
      function found(path,   p) {  # the file that a name stands for, or ""
        sub(/\/$/, "", path)
        if (there(path)) return path
        if (there("thex/" path)) return "thex/" path
        if (there("docs/" path)) return "docs/" path
        if (path !~ /\// && path in named) return named[path]
        return ""
      }
      $1 == "=" {
        file[$2] = 1
        n = split($2, part, "/"); path = ""
        named[part[n]] = $2
        for (k = 1; k < n; ++k) { path = path (k > 1 ? "/" : "") part[k]; folder[path] = 1 }
        ++files
        next
      }
      {
        where = $2; kind = $3; word = $4
        source = word ~ /^[A-Za-z0-9_.\/-]+\.(cc|h|sh|cmake)$/
        if (source || kind == "link" || word ~ /^(thex|tests|docs|scripts|fuzz|models|examples|bench|cmake)\/[A-Za-z0-9_.\/-]*$/) {
          ++seen
          at = found(word)
          if (at == "" && kind == "comment") { dir = where; sub(/[^\/]*$/, "", dir); at = found(dir word) }
          if (at == "") print where ": " word " is not there"
          else if (kind == "file_of" && source) {
            name = previous; sub(/.*::/, "", name); sub(/\(.*/, "", name)
            if (name ~ /^[A-Za-z_][A-Za-z0-9_]*$/ && !mentions(at, name)) print where ": " word " has no " previous
          }
        }
        previous = kind == "code" ? word : ""
      }
      function mentions(path, name,   line, hit) {
        hit = 0
        while ((getline line < path) > 0) if (index(line, name)) { hit = 1; break }
        close(path)
        return hit
      }
      END { if (files == 0 || seen == 0) print "nothing was found to check" }'
  )
}

planted="$(mktemp -d)"
trap 'rm -rf "$planted"' EXIT
mkdir -p "$planted/docs" "$planted/thex/low"
expect() { # expect WORDS: the planted tree has exactly such a fault, or none
  local found
  found="$(check "$planted")"
  [ "$found" = "$1" ] || { printf 'the check cannot be trusted: expected "%s", got "%s"\n' "$1" "$found" >&2; exit 1; }
}
plant() { # plant README COMMENT
  printf '%s\n' "$1" >"$planted/README.md"
  printf '// %s\nint lift(int x);\n' "$2" >"$planted/thex/low/a.h"
}
plant 'See `low/a.h`, `thex/low` and [it](thex/low/a.h); `lift` (`a.h`); `model.safetensors`.' 'As in a.h.'
expect ''
plant 'See `low/b.h`.' 'As in a.h.'
expect 'README.md:1: low/b.h is not there'
plant 'See [it](thex/low/b).' 'As in a.h.'
expect 'README.md:1: thex/low/b is not there'
plant 'See `Low::drop` (`low/a.h`).' 'As in a.h.'
expect 'README.md:1: low/a.h has no Low::drop'
plant 'See `low/a.h`.' 'As in high/a.h.'
expect 'thex/low/a.h:1: high/a.h is not there'

faults="$(check "$root")"
if [ -n "$faults" ]; then
  printf '%s\n' "$faults" >&2
  echo "$(wc -l <<<"$faults") names of things that are not there" >&2
  exit 1
fi
echo "every file and name that documents and comments mention is there"
