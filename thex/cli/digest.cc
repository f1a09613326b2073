#include "thex/cli/digest.h"

#include <array>

#include "thex/base/hex.h"

namespace thex::cli {
namespace {

const unsigned char* bytes_of(const char* data) { return reinterpret_cast<const unsigned char*>(data); }

}  // namespace

Digest::Digest() { crypto_generichash_init(&state_, nullptr, 0, 16); }

void Digest::add(std::string_view part) {
  std::array<unsigned char, 8> length{};
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(part.size() >> 8 * i);
  crypto_generichash_update(&state_, length.data(), length.size());
  crypto_generichash_update(&state_, bytes_of(part.data()), part.size());
}

std::string Digest::finish() {
  std::array<unsigned char, 16> digest{};
  crypto_generichash_final(&state_, digest.data(), digest.size());
  return hex(digest);
}

void add(Digest& digest, const Text& text) {
  digest.add(std::to_string(text.words.size()) + (text.pair ? " pair" : " text"));
  digest.add(text.text);
  if (text.pair) digest.add(*text.pair);
  for (const std::string& word : text.words) digest.add(word);
}

}  // namespace thex::cli
