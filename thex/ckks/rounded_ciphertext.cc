#include "thex/ckks/rounded_ciphertext.h"

#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "thex/base/error.h"
#include "thex/ckks/detail/lowest_primes.h"
#include "thex/ckks/detail/wire.h"
#include "thex/ckks/masked_refresh.h"

namespace thex::ckks {
namespace {

using namespace wire;  // NOLINT: this file is a format
using ring::Uint128;

constexpr std::size_t kFields = 8;  // scale
constexpr int kC1Bits = 3;

// The coefficients of one part: multiples of 2^dropped, as numbers of low + high bits.
struct PartFormat {
  PartFormat(Uint128 q, int bits) : product(q), dropped(bits), half(Uint128{1} << (bits - 1)) {
    const Uint128 largest = (product - 1 + half) >> dropped;
    const auto upper = static_cast<std::uint64_t>(largest >> 64);
    const int width = upper != 0 ? 64 + std::bit_width(upper) : std::bit_width(static_cast<std::uint64_t>(largest));
    high = static_cast<std::size_t>(width) / 2;
    low = static_cast<std::size_t>(width) - high;
  }

  Uint128 product;
  int dropped;
  Uint128 half;
  std::size_t low = 0, high = 0;
};

struct Format {
  explicit Format(const Context& context) : n(context.n()) {
    context.check_level("rounded ciphertext", kRefreshLevel);
    const RoundedBits bits = rounded_bits(context.log_n());
    const Uint128 product = LowestPrimes(context).product();
    parts = {PartFormat(product, bits.c0), PartFormat(product, bits.c1)};
  }
  std::size_t payload_bytes() const {
    std::size_t sum = kFields;
    for (const PartFormat& part : parts) sum += packed_bytes(n, part.low) + packed_bytes(n, part.high);
    return sum;
  }

  std::size_t n;
  std::vector<PartFormat> parts;
};

void write_part(Writer& writer, const Context& context, ring::Poly part, const PartFormat& format) {
  const LowestPrimes primes(context);
  to_coefficients(context, part);
  const std::uint64_t low_mask = (std::uint64_t{1} << format.low) - 1;
  for (std::size_t i = 0; i < part.n(); ++i) {
    const Uint128 rounded = (primes.integer(part.limb(0)[i], part.limb(1)[i]) + format.half) >> format.dropped;
    part.limb(0)[i] = static_cast<std::uint64_t>(rounded) & low_mask;
    part.limb(1)[i] = static_cast<std::uint64_t>(rounded >> format.low);
  }
  writer.packed(part.limb(0), part.n(), format.low);
  writer.packed(part.limb(1), part.n(), format.high);
}

ring::Poly read_part(Reader& reader, const Context& context, const PartFormat& format) {
  ring::Poly part(context.n(), kRefreshLevel.limbs());
  reader.packed(part.limb(0), part.n(), format.low);
  reader.packed(part.limb(1), part.n(), format.high);
  set_coefficients(context, part, kRefreshLevel, [&](std::size_t i) {
    const Uint128 integer = ((Uint128{part.limb(1)[i]} << format.low) + part.limb(0)[i]) << format.dropped;
    if (integer >= format.product + format.half) refuse("rounded ciphertext", "a coefficient is not below q_0 q_1");
    return integer;
  });
  return part;
}

}  // namespace

RoundedBits rounded_bits(int log_n) { return {.c0 = kC1Bits + log_n / 2, .c1 = kC1Bits}; }

std::size_t rounded_bytes(const Context& context) { return kHeaderBytes + Format(context).payload_bytes(); }

Bytes serialize_rounded(const Context& context, const Ciphertext& ciphertext) {
  const auto whole = [&](const ring::Poly& part) {
    return part.n() == context.n() && part.limbs() == kRefreshLevel.limbs();
  };
  if (ciphertext.level != kRefreshLevel || ciphertext.parts.size() != 2 || !whole(ciphertext.parts[0]) ||
      !whole(ciphertext.parts[1]))
    throw Error(ErrorCode::crypto, "serialize_rounded: a ciphertext of " + std::to_string(ciphertext.parts.size()) +
                                       " parts at level " + to_string(ciphertext.level) +
                                       "; expected 2 parts of this context at level " + to_string(kRefreshLevel));
  const Format format(context);
  Writer writer(context, Type::rounded_ciphertext, format.payload_bytes());
  writer.scale(ciphertext.scale);
  for (std::size_t p = 0; p < 2; ++p) write_part(writer, context, ciphertext.parts[p], format.parts[p]);
  return std::move(writer).finish();
}

Ciphertext parse_rounded(const Context& context, ByteView bytes) {
  Reader reader(context, bytes, "rounded ciphertext");
  reader.expect_type(Type::rounded_ciphertext);
  const Format format(context);
  reader.expect_left(format.payload_bytes());
  Ciphertext result;
  result.level = kRefreshLevel;
  result.scale = reader.scale();
  for (const PartFormat& part : format.parts) result.parts.push_back(read_part(reader, context, part));
  return result;
}

}  // namespace thex::ckks
