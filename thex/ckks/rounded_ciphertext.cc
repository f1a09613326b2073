#include "thex/ckks/rounded_ciphertext.h"

#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "thex/base/error.h"
#include "thex/ckks/detail/lowest_primes.h"
#include "thex/ckks/detail/wire.h"
#include "thex/ckks/masked_refresh.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

using namespace wire;  // NOLINT: this file is a format

constexpr std::size_t kFields = 8;  // scale
constexpr int kC1Bits = 3;

// The coefficients of one part: multiples of 2^dropped, as numbers of low + high bits.
struct PartFormat {
  PartFormat(const Context& context, int bits)
      : n(context.n()), product(LowestPrimes(context).product()), dropped(bits), half(Wide{1} << (bits - 1)) {
    const Wide largest = (product - 1 + half) >> dropped;
    const auto upper = static_cast<std::uint64_t>(largest >> 64);
    const int width = upper != 0 ? 64 + std::bit_width(upper) : std::bit_width(static_cast<std::uint64_t>(largest));
    low = (width + 1) / 2;
    high = width / 2;
  }
  std::size_t bytes() const {
    return packed_bytes(n, static_cast<std::size_t>(low)) + packed_bytes(n, static_cast<std::size_t>(high));
  }

  std::size_t n;
  Wide product;
  int dropped;
  Wide half;
  int low = 0, high = 0;
};

std::vector<PartFormat> formats(const Context& context) {
  context.check_level("rounded ciphertext", kRefreshLevel);
  const RoundedBits bits = rounded_bits(context.log_n());
  return {PartFormat(context, bits.c0), PartFormat(context, bits.c1)};
}

void write_part(Writer& writer, const Context& context, ring::Poly part, const PartFormat& format) {
  const LowestPrimes primes(context);
  for (const LimbIndex l : kRefreshLevel.primes()) ring::kernels().ntt_inverse(part.limb(l), context.ntt(l));
  const std::uint64_t low_mask = (std::uint64_t{1} << format.low) - 1;
  for (std::size_t i = 0; i < format.n; ++i) {
    const Wide rounded = (primes.integer(part.limb(0)[i], part.limb(1)[i]) + format.half) >> format.dropped;
    part.limb(0)[i] = static_cast<std::uint64_t>(rounded) & low_mask;
    part.limb(1)[i] = static_cast<std::uint64_t>(rounded >> format.low);
  }
  writer.packed(part.limb(0), format.n, format.low);
  writer.packed(part.limb(1), format.n, format.high);
}

ring::Poly read_part(Reader& reader, const Context& context, const PartFormat& format) {
  ring::Poly part(format.n, kRefreshLevel.limbs());
  reader.packed(part.limb(0), format.n, format.low);
  reader.packed(part.limb(1), format.n, format.high);
  for (std::size_t i = 0; i < format.n; ++i) {
    const Wide rounded = (Wide{part.limb(1)[i]} << format.low) + part.limb(0)[i];
    const Wide integer = rounded << format.dropped;
    if (integer >= format.product + format.half) refuse("rounded ciphertext", "a coefficient is not below q_0 q_1");
    for (const LimbIndex l : kRefreshLevel.primes()) part.limb(l)[i] = context.prime(l).reduce128(integer);
  }
  for (const LimbIndex l : kRefreshLevel.primes()) ring::kernels().ntt_forward(part.limb(l), context.ntt(l));
  return part;
}

}  // namespace

RoundedBits rounded_bits(int log_n) { return {.c0 = kC1Bits + log_n / 2, .c1 = kC1Bits}; }

std::size_t rounded_bytes(const Context& context) {
  std::size_t sum = kHeaderBytes + kFields;
  for (const PartFormat& format : formats(context)) sum += format.bytes();
  return sum;
}

Bytes serialize_rounded(const Context& context, const Ciphertext& ciphertext) {
  const auto whole = [&](const ring::Poly& part) {
    return part.n() == context.n() && part.limbs() == kRefreshLevel.limbs();
  };
  if (ciphertext.level != kRefreshLevel || ciphertext.parts.size() != 2 || !whole(ciphertext.parts[0]) ||
      !whole(ciphertext.parts[1]))
    throw Error(ErrorCode::crypto, "serialize_rounded: a ciphertext of " + std::to_string(ciphertext.parts.size()) +
                                       " parts at level " + to_string(ciphertext.level) +
                                       "; expected 2 parts of this context at level " + to_string(kRefreshLevel));
  Writer writer(context, Type::rounded_ciphertext, rounded_bytes(context) - kHeaderBytes);
  writer.scale(ciphertext.scale);
  const std::vector<PartFormat> parts = formats(context);
  for (std::size_t p = 0; p < 2; ++p) write_part(writer, context, ciphertext.parts[p], parts[p]);
  return std::move(writer).finish();
}

Ciphertext parse_rounded(const Context& context, ByteView bytes) {
  Reader reader(context, bytes, "rounded ciphertext");
  reader.expect_type(Type::rounded_ciphertext);
  const std::vector<PartFormat> parts = formats(context);
  reader.expect_left(rounded_bytes(context) - kHeaderBytes);
  Ciphertext result;
  result.level = kRefreshLevel;
  result.scale = reader.scale();
  for (const PartFormat& format : parts) result.parts.push_back(read_part(reader, context, format));
  return result;
}

}  // namespace thex::ckks
