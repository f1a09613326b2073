# shellcheck shell=bash disable=SC2034
# Shared by the scripts of this folder: the repository's root, Debian packages, configuring and building. Sourced, not run.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

# What each purpose needs on Debian 12 besides a C++ compiler, cmake and git.
packages_build="g++ cmake ninja-build ccache pkgconf libcli11-dev nlohmann-json3-dev libspdlog-dev libfmt-dev libsodium-dev libutf8proc-dev libasio-dev"
packages_test="libgtest-dev libgmock-dev librapidcheck-dev binutils valgrind"
packages_training="libtorch-dev libopenblas0-pthread"
packages_bench="libbenchmark-dev"
packages_fuzz="clang-14 libclang-rt-14-dev"
packages_lint="clang-format-14 clang-tidy-14 shellcheck universal-ctags"

# The protocol that THEX_PROTOCOL names as an option of thex, or none.
protocol_option=()
if [ -n "${THEX_PROTOCOL:-}" ]; then protocol_option=(--protocol "$THEX_PROTOCOL"); fi

say() { printf '%s\n' "$*" >&2; }
fail() { say "$(basename "$0"): $*"; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "neither root nor sudo to run: $*"
  fi
}

# Installs those of the packages that are missing. Asks dpkg first: nothing is downloaded when all are there.
need_packages() {
  local missing=() package
  for package in "$@"; do
    if ! dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed; then missing+=("$package"); fi
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  as_root apt-get update -q >&2 || say "apt-get update failed; trying with the lists that are there"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
}

# Installs the independent references of tests/node that are missing. Their tests are skipped without them.
need_references() {
  local package
  for package in @huggingface/tokenizers node-seal; do
    [ ! -d "$root/tests/node/node_modules/$package" ] || continue
    command -v npm >/dev/null || { say "npm is not installed: comparisons with $package are skipped"; return 0; }
    npm ci --prefix "$root/tests/node" --no-audit --no-fund >&2 || say "npm ci failed: comparisons with $package are skipped"
    return 0
  done
}

# configure PRESET BINARY_DIR [ARGUMENTS]: only when the folder has no configuration yet, or one with other arguments.
configure() {
  local preset="$1" folder="$2" stamp="$2/.configured-by" wanted
  shift 2
  wanted="$preset $*"
  if [ -f "$folder/build.ninja" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return 0; fi
  local launcher=()
  if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
  (cd "$root" && cmake --preset "$preset" -B "$folder" "${launcher[@]}" "$@") >&2
  printf '%s\n' "$wanted" >"$stamp"
}

# start_server FILE COMMAND ...: starts a server in the background, with FILE for what it says, and sets $server to its process and $address to where it
# listens. The process itself is the child, to be ended by its own number.
start_server() {
  local said="$1"
  shift
  "$@" >"$said" &
  server=$!
  for _ in $(seq 1200); do
    [ -s "$said" ] && break
    kill -0 "$server" 2>/dev/null || fail "the server ended at its start"
    sleep 0.05
  done
  address="$(sed -n 's/.*"listening":"\([^"]*\)".*/\1/p' "$said" | head -1)"
  [ -n "$address" ] || fail "the server did not say where it listens"
}

# Ends a process that this script started, if there is one.
stop_server() {
  if [ -n "$1" ]; then
    kill -TERM "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
  fi
}

# say_what_server_did FILE: from the line that it says at its end.
say_what_server_did() {
  sed -n 's/.*"queries":\([0-9]*\).*"peak_memory_bytes":\([0-9]*\),"key_bytes":\([0-9]*\),"weight_bytes":\([0-9]*\).*/\1 \2 \3 \4/p' "$1" |
    awk '{printf "server: %d queries, peak memory %.0f MB (keys %.0f MB, weights %.0f MB)\n", $1, $2 / 1e6, $3 / 1e6, $4 / 1e6}'
}
