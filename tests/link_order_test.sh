#!/usr/bin/env bash
# link_order_test.sh ROOT: cmake/RoomOrder.cmake, which holds the links between libraries against docs/rooms.txt whenever the build is configured,
# takes the tree as it is and refuses it, with the rooms' names, when a wrong link is planted in a copy.
set -euo pipefail
root="$1"
copy="$(mktemp -d)"
trap 'rm -rf "$copy"' EXIT
cp -r "$root/CMakeLists.txt" "$root/cmake" "$root/docs" "$root/thex" "$copy"
mkdir "$copy/models"

configure() { cmake -S "$copy" -B "$copy/build" -G Ninja -DTHEX_TESTS=OFF >"$copy/log" 2>&1; }
expect() { # expect FILE SED_SCRIPT WORDS: with that change the tree is refused with these words
  local original
  original="$(cat "$copy/$1")"
  sed -i "$2" "$copy/$1"
  [ "$(cat "$copy/$1")" != "$original" ] || { echo "nothing was planted in $1" >&2; exit 1; }
  if configure; then echo "not found: $3" >&2; exit 1; fi
  # CMake breaks its messages into lines.
  tr -s '\n ' '  ' <"$copy/log" | grep -qF "$3" || { echo "expected '$3', got:" >&2; cat "$copy/log" >&2; exit 1; }
  printf '%s\n' "$original" >"$copy/$1"
}

configure || { cat "$copy/log" >&2; exit 1; }
expect thex/ring/CMakeLists.txt 's/DEPS thex_base$/DEPS thex_base thex_ckks/' 'ring may not know ckks'
expect thex/server/CMakeLists.txt 's/PRIVATE_DEPS fmt::fmt/PRIVATE_DEPS thex_ckks_secret fmt::fmt/' 'server may not know ckks/secret'
expect thex/text/CMakeLists.txt 's/SOURCES tokenizer.cc/SOURCES ..\/model\/config.cc tokenizer.cc/' 'sources of the rooms model and text'
expect docs/rooms.txt 's/^client: .*/client: protocol/' 'client may not know circuit/secret'
expect docs/rooms.txt '/^text:/d; s/ text$//' 'lies in no room'
configure || { cat "$copy/log" >&2; exit 1; }
echo "every link is in the order of docs/rooms.txt"
