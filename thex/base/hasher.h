// A streamed hash of typed values, for digests that two sides compare: BLAKE2b-256 (RFC 7693).
//
// Each kind of digest has a personal string of its own, which separates it from all others and counts its format's
// versions ("thex labels 1"). Numbers are hashed little-endian in their own width, texts and lists after their lengths,
// so that no two sequences of values of one format have the same bytes. Nothing here is for secrets: no buffer is
// wiped.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace thex {

static_assert(std::endian::native == std::endian::little, "values are hashed as they lie in memory");

class Hasher {
 public:
  using Digest = std::array<std::uint8_t, 32>;

  // Throws Error(internal) when `purpose` is longer than 16 bytes or libsodium cannot be initialised.
  explicit Hasher(std::string_view purpose);

  void bytes(const void* data, std::size_t size);
  template <std::integral T>
  void number(T value) {
    fixed(value);
  }
  template <typename T>
  requires std::is_enum_v<T>
  void enumerator(T value) { fixed(static_cast<std::uint32_t>(value)); }
  // By its bits: equal doubles are alike, and 0 and -0 are not.
  void real(double value) { fixed(std::bit_cast<std::uint64_t>(value)); }
  void text(std::string_view value) {
    number(value.size());
    bytes(value.data(), value.size());
  }
  template <typename List, typename Each>
  void list(const List& values, const Each& each) {
    number(values.size());
    for (const auto& value : values) each(value);
  }
  template <typename List>
  void numbers(const List& values) {
    list(values, [this](auto value) { this->number(value); });
  }

  // Nothing is added after that.
  Digest finish();

 private:
  template <typename T>
  void fixed(T value) {
    if (used_ + sizeof value > buffer_.size()) flush();
    std::memcpy(buffer_.data() + used_, &value, sizeof value);
    used_ += sizeof value;
  }
  void flush();

  // The state of crypto_generichash_blake2b, whose header is not for everybody who includes this one.
  alignas(64) std::array<unsigned char, 384> state_;
  std::array<unsigned char, 1024> buffer_;  // small values come together
  std::size_t used_ = 0;
};

}  // namespace thex
