// Reading and writing the byte formats of serialization.h: header, numbers, seeds and packed polynomials. Internal to
// ckks.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "thex/base/error.h"
#include "thex/ckks/detail/bit_packing.h"
#include "thex/ckks/serialization.h"

namespace thex::ckks::wire {

enum class Type : std::uint16_t {
  ciphertext = 1,
  seeded_ciphertext = 2,
  switching_key = 3,
  evaluation_keys = 4,
  public_key = 5,
  rounded_ciphertext = 6
};

inline constexpr char kMagic[4] = {'T', 'H', 'E', 'X'};
inline constexpr std::uint16_t kVersion = 1;
inline constexpr std::size_t kHeaderBytes = 4 + 2 + 2 + 16 + 8, kSeedBytes = 32;

inline const char* name_of(Type type) {
  switch (type) {
    case Type::ciphertext:
      return "ciphertext";
    case Type::seeded_ciphertext:
      return "seeded ciphertext";
    case Type::switching_key:
      return "switching key";
    case Type::evaluation_keys:
      return "evaluation keys";
    case Type::public_key:
      return "public key";
    case Type::rounded_ciphertext:
      return "rounded ciphertext";
  }
  return "object";
}

[[noreturn]] inline void refuse(const std::string& what, const std::string& why) {
  throw Error(ErrorCode::protocol, what + ": " + why);
}

inline std::size_t limb_bytes(const Context& context, LimbIndex index) {
  return packed_bytes(context.n(), context.prime(index).bits());
}

// Bytes of one polynomial over q_0 .. q_level, and over the special primes too.
inline std::size_t poly_bytes(const Context& context, Level level, bool with_special) {
  std::size_t sum = 0;
  for (const LimbIndex i : level.primes()) sum += limb_bytes(context, i);
  for (std::size_t j = 0; with_special && j < context.special_count(); ++j) {
    sum += limb_bytes(context, context.special_index(j));
  }
  return sum;
}

inline std::size_t key_body_bytes(const Context& context, Level level) {
  return 4 + kSeedBytes + context.digit_count(level) * poly_bytes(context, level, true);
}

class Writer {
 public:
  Writer(const Context& context, Type type, std::size_t payload) : bytes_(kHeaderBytes + payload) {
    raw(kMagic, sizeof kMagic);
    number(kVersion, 2);
    number(static_cast<std::uint64_t>(type), 2);
    raw(context.fingerprint().data(), context.fingerprint().size());
    number(payload, 8);
  }

  void number(std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) *take(1) = static_cast<std::byte>(value >> (8 * i));
  }
  // Of an object that has been checked to have one.
  void level(Level value) { number(value.top(), 4); }
  void scale(double value) { number(std::bit_cast<std::uint64_t>(value), 8); }
  void seed(const ring::Seed& seed) { raw(seed.data(), seed.size()); }

  void packed(const std::uint64_t* values, std::size_t count, std::size_t bits) {
    pack_bits(take(packed_bytes(count, bits)), values, count, bits);
  }
  // The limbs of `poly`, for an object at `level` (switching keys: with special primes behind).
  void poly(const Context& context, const ring::Poly& poly, Level level, std::size_t limbs) {
    if (poly.n() != context.n() || poly.limbs() != limbs) {
      throw Error(ErrorCode::crypto, "serialize: a polynomial of " + std::to_string(poly.limbs()) + " limbs of " +
                                         std::to_string(poly.n()) + "; expected " + std::to_string(limbs) + " of " +
                                         std::to_string(context.n()));
    }
    for (std::size_t position = 0; position < limbs; ++position) {
      const LimbIndex index = limb_prime(context, level, position);
      packed(poly.limb(position), context.n(), context.prime(index).bits());
    }
  }

  void key(const Context& context, const SwitchingKey& key) {
    level(key.level);
    seed(key.seed);
    if (key.b.size() != context.digit_count(key.level)) {
      throw Error(ErrorCode::crypto, "serialize: a switching key of " + std::to_string(key.b.size()) + " digits");
    }
    for (const ring::Poly& b : key.b) {
      poly(context, b, key.level, key.level.limbs() + context.special_count());
    }
  }

  Bytes finish() && { return std::move(bytes_); }

 private:
  std::byte* take(std::size_t count) {
    if (count > bytes_.size() - position_) throw Error(ErrorCode::internal, "serialize: the object exceeds its size");
    position_ += count;
    return bytes_.data() + position_ - count;
  }
  void raw(const void* data, std::size_t count) { std::memcpy(take(count), data, count); }

  Bytes bytes_;
  std::size_t position_ = 0;
};

// Reads one object; every length is compared with the bytes present before memory is taken for it.
class Reader {
 public:
  Reader(const Context& context, ByteView bytes, const char* what) : context_(context), bytes_(bytes), what_(what) {
    if (bytes.size() < kHeaderBytes) {
      refuse(what, std::to_string(bytes.size()) + " bytes; expected at least " + std::to_string(kHeaderBytes));
    }
    if (std::memcmp(raw(4), kMagic, 4) != 0) refuse(what, "the bytes do not start with THEX");
    const std::uint64_t version = number(2);
    if (version != kVersion) {
      refuse(what,
             "format version " + std::to_string(version) + "; this program reads version " + std::to_string(kVersion));
    }
    type_ = static_cast<Type>(number(2));
    if (std::memcmp(raw(16), context.fingerprint().data(), 16) != 0) {
      refuse(what, "made for other CKKS parameters than this context's");
    }
    const std::uint64_t payload = number(8);
    if (payload != left()) {
      refuse(what, "a payload of " + std::to_string(payload) + " bytes is announced, " + std::to_string(left()) +
                       " are present");
    }
  }

  Type type() const { return type_; }
  std::size_t left() const { return bytes_.size() - position_; }

  void expect_type(Type expected) const {
    if (type_ != expected) {
      refuse(what_, "an object of type " + std::to_string(static_cast<unsigned>(type_)) + "; expected " +
                        std::to_string(static_cast<unsigned>(expected)) + ", " + name_of(expected));
    }
  }

  // The rest must be exactly `count` bytes.
  void expect_left(std::size_t count) const {
    if (left() != count) {
      refuse(what_, std::to_string(left()) + " bytes are left; expected " + std::to_string(count));
    }
  }
  void expect_at_least(std::size_t count) const {
    if (left() < count) {
      refuse(what_, "truncated: " + std::to_string(left()) + " bytes are left; expected " + std::to_string(count));
    }
  }

  std::uint64_t number(std::size_t width) {
    const std::byte* const p = raw(width);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value |= std::to_integer<std::uint64_t>(p[i]) << (8 * i);
    return value;
  }

  Level level(Level highest) {
    const std::uint64_t value = number(4);
    if (value > highest.top()) {
      refuse(what_, "level " + std::to_string(value) + "; expected at most " + to_string(highest));
    }
    return static_cast<int>(value);
  }

  double scale() {
    const double value = std::bit_cast<double>(number(8));
    if (!std::isfinite(value) || value <= 0) refuse(what_, "the scale is not a positive number");
    return value;
  }

  ring::Seed seed() {
    ring::Seed seed;
    std::memcpy(seed.data(), raw(seed.size()), seed.size());
    return seed;
  }

  // Returns the largest value read.
  std::uint64_t packed(std::uint64_t* values, std::size_t count, std::size_t bits) {
    return unpack_bits(values, raw(packed_bytes(count, bits)), count, bits);
  }

  ring::Poly poly(Level level, bool with_special) {
    expect_at_least(poly_bytes(context_, level, with_special));
    const std::size_t limbs = level.limbs() + (with_special ? context_.special_count() : 0);
    ring::Poly poly(context_.n(), limbs);
    for (std::size_t position = 0; position < limbs; ++position) {
      const LimbIndex index = limb_prime(context_, level, position);
      const ring::Modulus& q = context_.prime(index);
      const std::uint64_t largest = packed(poly.limb(position), context_.n(), q.bits());
      if (largest >= q.value()) {
        refuse(what_, "residue " + std::to_string(largest) + " of limb " + std::to_string(position) +
                          " is not below its prime " + std::to_string(q.value()));
      }
    }
    return poly;
  }

  // Level, seed and b of a switching key; each polynomial of b is given to take(poly) as it is read.
  template <typename Take>
  SwitchingKey key_parts(Level highest, const Take& take) {
    SwitchingKey key;
    key.level = level(highest);
    key.seed = seed();
    const std::size_t digits = context_.digit_count(key.level);
    expect_at_least(digits * poly_bytes(context_, key.level, true));
    for (std::size_t d = 0; d < digits; ++d) take(poly(key.level, true));
    return key;
  }
  SwitchingKey key(Level highest) {
    std::vector<ring::Poly> b;
    SwitchingKey key = key_parts(highest, [&](ring::Poly poly) { b.push_back(std::move(poly)); });
    key.b = std::move(b);
    key.a = expand_key_half(context_, key.seed, key.level);
    return key;
  }

 private:
  const std::byte* raw(std::size_t count) {
    expect_at_least(count);
    position_ += count;
    return bytes_.data() + position_ - count;
  }

  const Context& context_;
  ByteView bytes_;
  const char* what_;
  std::size_t position_ = 0;
  Type type_{};
};

}  // namespace thex::ckks::wire
