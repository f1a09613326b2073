#include "thex/ring/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace thex::ring {
namespace {

Seed test_seed(std::uint8_t first) {
  Seed seed;
  for (std::size_t i = 0; i < seed.size(); ++i) seed[i] = static_cast<std::uint8_t>(first + i);
  return seed;
}

std::string hex(const std::uint64_t* words, std::size_t count) {
  std::string text;
  const auto* bytes = reinterpret_cast<const unsigned char*>(words);
  for (std::size_t i = 0; i < 8 * count; ++i) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

TEST(Prng, MatchesRfc8439) {
  // RFC 8439, appendix A.1, test vectors 1 and 2: key 0, nonce 0, blocks 0 and 1.
  Prng zero(Seed{});
  std::uint64_t blocks[16];
  for (std::uint64_t& word : blocks) word = zero.next();
  EXPECT_EQ(hex(blocks, 8),
            "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
            "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586");
  EXPECT_EQ(hex(blocks + 8, 8),
            "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
            "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
}

TEST(Prng, FillIsTheSameStreamAsNext) {
  for (const std::size_t chunk :
       {std::size_t{1}, std::size_t{7}, std::size_t{127}, std::size_t{128}, std::size_t{1000}}) {
    Prng one(test_seed(1), 77), many(test_seed(1), 77);
    std::vector<std::uint64_t> words(chunk);
    for (int round = 0; round < 5; ++round) {
      many.fill(words);
      for (const std::uint64_t word : words) ASSERT_EQ(word, one.next());
      ASSERT_EQ(many.next(), one.next());
    }
  }
}

TEST(Prng, LabelsAndSeedsSeparateStreams) {
  Prng a(test_seed(1), 0), b(test_seed(1), 1), c(test_seed(2), 0), d(test_seed(1), std::uint64_t{1} << 56);
  const std::uint64_t first = a.next();
  EXPECT_NE(first, b.next());
  EXPECT_NE(first, c.next());
  EXPECT_NE(first, d.next());
  EXPECT_NE(random_seed(), random_seed());
  EXPECT_NE(Prng().next(), Prng().next());
}

TEST(Uniform, FollowsTheSpecifiedRejection) {
  const Modulus q(ntt_primes(40, 15, 1)[0]);  // just above 2^40, so nearly half of the words are rejected
  Prng sampled(test_seed(3)), plain(test_seed(3));
  std::vector<std::uint64_t> residues(1000);
  sample_uniform(sampled, residues.data(), residues.size(), q);
  const std::uint64_t mask = (std::uint64_t{1} << q.bits()) - 1;
  for (const std::uint64_t residue : residues) {
    std::uint64_t word = plain.next() & mask;
    while (word >= q.value()) word = plain.next() & mask;
    ASSERT_EQ(residue, word);
  }
  EXPECT_EQ(sampled.next(), plain.next()) << "no word beyond the last residue is taken";
}

// Pearson's statistic against expected probabilities.
double chi_square(const std::map<int, double>& probability, const std::map<int, int>& seen, std::size_t n) {
  double sum = 0;
  for (const auto& [value, p] : probability) {
    const double expected = p * static_cast<double>(n);
    const double difference = (seen.count(value) ? seen.at(value) : 0) - expected;
    sum += difference * difference / expected;
  }
  return sum;
}

TEST(Uniform, IsUniform) {
  const Modulus q(12289);
  Prng prng(test_seed(4));
  std::vector<std::uint64_t> residues(200000);
  sample_uniform(prng, residues.data(), residues.size(), q);
  std::map<int, double> probability;
  std::map<int, int> seen;
  for (int i = 0; i < 12289; ++i) probability[i / 100] += 1.0 / 12289;
  for (const std::uint64_t r : residues) ++seen[static_cast<int>(r / 100)];
  EXPECT_LT(chi_square(probability, seen, residues.size()), 122 + 6 * std::sqrt(2 * 122.0));
  EXPECT_EQ(seen.size(), 123u);
}

TEST(Ternary, IsUniform) {
  Prng prng(test_seed(5));
  std::vector<std::int8_t> values(300001);
  sample_ternary(prng, values.data(), values.size());
  std::map<int, int> seen;
  for (const int v : values) ++seen[v];
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_LT(chi_square({{-1, 1 / 3.0}, {0, 1 / 3.0}, {1, 1 / 3.0}}, seen, values.size()), 20);
}

TEST(Gaussian, HasTheSpecifiedDistribution) {
  Prng prng(test_seed(6));
  std::vector<std::int8_t> values(1000003);
  sample_gaussian(prng, values.data(), values.size());
  std::map<int, int> seen;
  std::map<int, double> probability;
  double sum = 0, squares = 0, total = 0;
  for (int x = -19; x <= 19; ++x) total += std::exp(-x * x / (2 * kSigma * kSigma));
  // Cells with few expected values are merged at |x| = 13.
  for (int x = -19; x <= 19; ++x)
    probability[std::clamp(x, -13, 13)] += std::exp(-x * x / (2 * kSigma * kSigma)) / total;
  for (const int v : values) {
    ASSERT_LE(std::abs(v), 19);
    ++seen[std::clamp(v, -13, 13)];
    sum += v;
    squares += v * v;
  }
  const auto n = static_cast<double>(values.size());
  EXPECT_NEAR(sum / n, 0, 6 * kSigma / std::sqrt(n));
  EXPECT_NEAR(std::sqrt(squares / n), kSigma, 6 * kSigma / std::sqrt(2 * n));
  EXPECT_LT(chi_square(probability, seen, values.size()), 26 + 6 * std::sqrt(2 * 26.0));
}

}  // namespace
}  // namespace thex::ring
