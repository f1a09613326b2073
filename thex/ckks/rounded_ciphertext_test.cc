#include "thex/ckks/rounded_ciphertext.h"

#include <algorithm>
#include <functional>

#include "tests/support/ckks.h"
#include "tests/support/coefficients.h"
#include "thex/ckks/masked_refresh.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

using support::expect_error;
using support::Party;
using support::Wide;

constexpr std::size_t kHeader = 32, kFields = 8;

class RoundedCiphertext : public ::testing::Test {
 protected:
  Ciphertext masked() {
    const Ciphertext c = p.encrypt(support::random_slots(p.context->slots(), 3), kRefreshLevel);
    return mask_for_refresh(context, c, p.top(), p.keys, p.prng).masked;
  }
  static ring::Poly poly_of(const Context& context, const std::vector<Wide>& integers) {
    ring::Poly poly(context.n(), kRefreshLevel.limbs());
    for (const LimbIndex l : kRefreshLevel.primes()) {
      for (std::size_t i = 0; i < integers.size(); ++i) poly.limb(l)[i] = context.prime(l).reduce128(integers[i]);
      ring::kernels().ntt_forward(poly.limb(l), context.ntt(l));
    }
    return poly;
  }
  // |a - b| modulo q_0 q_1.
  Wide distance(Wide a, Wide b) const {
    const Wide d = a > b ? a - b : b - a;
    return std::min(d, support::lowest_modulus(context) - d);
  }

  Party& p = support::party("n13_alpha2");
  const Context& context = *p.context;
};

TEST_F(RoundedCiphertext, LosesItsLowestBitsAndNothingElse) {
  const Ciphertext sent = masked();
  const Bytes bytes = serialize_rounded(context, sent);
  EXPECT_EQ(bytes.size(), rounded_bytes(context));
  const Ciphertext read = parse_rounded(context, bytes);
  EXPECT_EQ(read.level, sent.level);
  EXPECT_EQ(read.scale, sent.scale);
  ASSERT_EQ(read.parts.size(), 2u);
  const RoundedBits bits = rounded_bits(context.log_n());
  for (const auto& [part, dropped] : {std::pair{0, bits.c0}, {1, bits.c1}}) {
    const std::vector<Wide> before = support::coefficients(context, sent.parts[part]),
                            after = support::coefficients(context, read.parts[part]);
    Wide most = 0;
    for (std::size_t i = 0; i < before.size(); ++i) most = std::max(most, distance(before[i], after[i]));
    EXPECT_EQ(static_cast<std::uint64_t>(most), std::uint64_t{1} << (dropped - 1)) << "part " << part;
  }
  EXPECT_EQ(serialize_rounded(context, read), bytes) << "what is rounded already stays";
}

TEST_F(RoundedCiphertext, IsShorterByTheBitsThatItLeavesOut) {
  const RoundedBits bits = rounded_bits(context.log_n());
  const std::size_t saved = context.n() / 8 * static_cast<std::size_t>(bits.c0 + bits.c1);
  const std::size_t whole = ciphertext_bytes(context, kRefreshLevel, false);
  EXPECT_GE(whole - rounded_bytes(context), saved);
  EXPECT_LE(whole - rounded_bytes(context), saved + context.n() / 8 * 4 + 4)
      << "two bits a part by packing, and the level";
}

// Near zero and q_0 q_1, where rounding wraps around.
TEST_F(RoundedCiphertext, WrapsAround) {
  const Wide product = support::lowest_modulus(context);
  std::vector<Wide> edges(context.n(), 0);
  for (std::size_t i = 0; i < edges.size(); ++i) edges[i] = i % 2 == 0 ? Wide{i / 2} : product - 1 - Wide{i / 2};
  Ciphertext c{.parts = {poly_of(context, edges), poly_of(context, edges)},
               .level = kRefreshLevel,
               .scale = context.scale(kRefreshLevel)};
  const Ciphertext read = parse_rounded(context, serialize_rounded(context, c));
  const RoundedBits bits = rounded_bits(context.log_n());
  for (const auto& [part, dropped] : {std::pair{0, bits.c0}, {1, bits.c1}}) {
    const std::vector<Wide> after = support::coefficients(context, read.parts[part]);
    for (std::size_t i = 0; i < edges.size(); ++i)
      ASSERT_LE(distance(edges[i], after[i]), Wide{1} << (dropped - 1)) << "part " << part << ", " << i;
  }
}

TEST_F(RoundedCiphertext, RefusesOtherCiphertexts) {
  Ciphertext c = masked();
  const auto refuses = [&](const Ciphertext& other) {
    expect_error(ErrorCode::crypto, {"serialize_rounded"}, [&] { serialize_rounded(context, other); });
  };
  refuses(p.encrypt(support::random_slots(p.context->slots(), 4), 0));
  refuses(p.encrypt(support::random_slots(p.context->slots(), 4), 2));
  c.parts.pop_back();
  refuses(c);
}

TEST_F(RoundedCiphertext, RefusesHostileBytes) {
  const Bytes bytes = serialize_rounded(context, masked());
  const auto refuses = [&](const std::vector<std::string>& words, const Bytes& hostile) {
    expect_error(ErrorCode::protocol, words, [&] { parse_rounded(context, hostile); });
  };
  for (const std::size_t length : {std::size_t{0}, kHeader, kHeader + kFields, bytes.size() - 1})
    refuses({"rounded ciphertext"}, Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length)));
  refuses({"type 1", "type"}, serialize(context, masked()));
  Bytes other = bytes;
  std::fill_n(other.begin() + kHeader, 8, std::byte{0});
  refuses({"scale"}, other);
  other = bytes;
  std::fill(other.begin() + kHeader + kFields, other.end(), std::byte{0xff});
  refuses({"q_0 q_1"}, other);
}

}  // namespace
}  // namespace thex::ckks
