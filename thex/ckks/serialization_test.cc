#include "thex/ckks/serialization.h"

#include <cstring>
#include <functional>
#include <limits>

#include "tests/support/ckks.h"
#include "thex/ckks/detail/bit_packing.h"

namespace thex::ckks {
namespace {

using support::expect_error;
using support::identical;
using support::Party;
using support::Slots;

constexpr std::size_t kHeader = 32;

TEST(BitPacking, EveryWidthRoundTrips) {
  std::mt19937_64 random(1);
  for (int bits = 1; bits <= 56; ++bits) {
    std::vector<std::uint64_t> values(72), read(72);
    for (std::uint64_t& v : values) v = random() >> (64 - bits);
    values[5] = (std::uint64_t{1} << bits) - 1;
    Bytes bytes(packed_bytes(values.size(), bits) + 1, std::byte{0xA5});
    pack_bits(bytes.data(), values.data(), values.size(), bits);
    EXPECT_EQ(bytes.back(), std::byte{0xA5}) << "written beyond the end";
    EXPECT_EQ(unpack_bits(read.data(), bytes.data(), read.size(), bits), values[5]);
    EXPECT_EQ(read, values) << bits;
  }
}

TEST(BitPacking, IsLeastSignificantBitFirst) {
  const std::uint64_t values[8] = {1, 2, 4, 8, 16, 0, 0, 31};
  std::byte bytes[5];
  pack_bits(bytes, values, 8, 5);
  // 1 + 2*2^5 + 4*2^10 + 8*2^15 + 16*2^20 + 31*2^35.
  std::uint64_t number = 0;
  for (int i = 0; i < 5; ++i) number |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  EXPECT_EQ(number, 1u + (2u << 5) + (4u << 10) + (8u << 15) + (16u << 20) + (std::uint64_t{31} << 35));
}

class Serialization : public ::testing::Test {
 protected:
  void refuses(const std::vector<std::string>& words, const std::function<void()>& action) {
    expect_error(ErrorCode::protocol, words, action);
  }
  // Sets a little-endian number inside the bytes.
  static Bytes with(Bytes bytes, std::size_t at, std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) bytes[at + i] = static_cast<std::byte>(value >> (8 * i));
    return bytes;
  }
  // The same object with another payload size in its header and `extra` bytes more or fewer.
  static Bytes resized(Bytes bytes, std::ptrdiff_t extra) {
    bytes.resize(static_cast<std::size_t>(static_cast<std::ptrdiff_t>(bytes.size()) + extra));
    return with(bytes, 24, bytes.size() - kHeader, 8);
  }

  // What checks keys refuses what the reader does, in the same words.
  static EvaluationKeys parse_evaluation_keys(const Context& context, ByteView bytes, const KeyRequirements& required) {
    std::string refusal;
    try {
      check_evaluation_keys(context, bytes, required);
    } catch (const Error& error) {
      refusal = error.what();
    }
    try {
      EvaluationKeys keys = ckks::parse_evaluation_keys(context, bytes, required);
      EXPECT_EQ(refusal, "");
      return keys;
    } catch (const Error& error) {
      EXPECT_EQ(refusal, error.what());
      throw;
    }
  }

  Party& p = support::party("n13_alpha2");
  const Context& context = *p.context;
  const KeyRequirements required{{{1, 2}, {-4, 1}}, 3, 0};
  Slots values = support::random_slots(p.context->slots(), 8);
};

TEST_F(Serialization, CiphertextsRoundTripAtEveryLevel) {
  for (Level level = 0; level <= p.top(); ++level) {
    const Plaintext plain = p.encode(values, level, context.scale(level));
    const SeededCiphertext seeded = secret::encrypt(p.key, plain, p.prng);
    const Ciphertext expanded = p.evaluator.expand(seeded);
    const Bytes short_form = serialize(context, seeded), long_form = serialize(context, expanded);
    EXPECT_EQ(short_form.size(), ciphertext_bytes(context, level, true));
    EXPECT_EQ(long_form.size(), ciphertext_bytes(context, level, false));
    EXPECT_LT(short_form.size(), long_form.size() / 2 + 64);
    EXPECT_TRUE(identical(parse_ciphertext(context, short_form), expanded));
    EXPECT_TRUE(identical(parse_ciphertext(context, long_form), expanded));
  }
}

TEST_F(Serialization, KeysRoundTrip) {
  const SwitchingKey key = secret::make_relinearization_key(p.key, 2, p.prng);
  const SwitchingKey read = parse_switching_key(context, serialize(context, key));
  EXPECT_EQ(read.level, 2);
  EXPECT_EQ(read.seed, key.seed);
  ASSERT_EQ(read.b.size(), key.b.size());
  for (std::size_t d = 0; d < key.b.size(); ++d) {
    EXPECT_TRUE(identical(read.b[d], key.b[d]));
    EXPECT_TRUE(identical(read.a[d], key.a[d]));
  }

  const PublicKey public_key = secret::make_public_key(p.key, p.prng);
  const PublicKey public_read = parse_public_key(context, serialize(context, public_key));
  EXPECT_TRUE(identical(public_read.b, public_key.b));
  EXPECT_TRUE(identical(public_read.a, public_key.a));

  const EvaluationKeys keys = secret::make_evaluation_keys(p.key, required, p.prng);
  const Bytes bytes = serialize(context, keys);
  EXPECT_EQ(bytes.size(), evaluation_keys_bytes(context, required));
  const EvaluationKeys keys_read = parse_evaluation_keys(context, bytes, required);
  EXPECT_EQ(serialize(context, keys_read), bytes);
  EXPECT_EQ(keys_read.bytes(), keys.bytes());
  const Ciphertext x = p.encrypt(values, 1);
  EXPECT_TRUE(identical(p.evaluator.rotate(x, -4, keys_read), p.evaluator.rotate(x, -4, keys)));

  // Fewer keys than required are accepted here; the computation that misses one says so.
  const EvaluationKeys fewer = parse_evaluation_keys(context, serialize(context, EvaluationKeys{}), required);
  EXPECT_TRUE(fewer.galois.empty());
}

TEST_F(Serialization, RefusesEveryTruncation) {
  const Bytes ciphertext = serialize(context, p.encrypt(values, 0));
  const Bytes keys = serialize(context, secret::make_evaluation_keys(p.key, {{{1, 0}}, 0, -1}, p.prng));
  for (std::size_t size = 0; size < ciphertext.size(); size += size < 80 ? 1 : 977) {
    const ByteView cut = ByteView(ciphertext).first(size);
    refuses({"ciphertext"}, [&] { parse_ciphertext(context, cut); });
    if (size < kHeader) continue;
    // Also with a header that tells the truth about the shorter payload.
    refuses({"ciphertext"}, [&] { parse_ciphertext(context, resized(Bytes(cut.begin(), cut.end()), 0)); });
  }
  for (std::size_t size = kHeader; size < keys.size(); size += size < 100 ? 1 : 4999) {
    const Bytes cut = resized(keys, static_cast<std::ptrdiff_t>(size) - static_cast<std::ptrdiff_t>(keys.size()));
    refuses({"evaluation keys"}, [&] { parse_evaluation_keys(context, cut, required); });
  }
  const Bytes key = serialize(context, secret::make_relinearization_key(p.key, 0, p.prng));
  refuses({"switching key", "truncated"}, [&] { parse_switching_key(context, resized(key, -1)); });
  const Bytes public_key = serialize(context, secret::make_public_key(p.key, p.prng));
  refuses({"public key", "expected"}, [&] { parse_public_key(context, resized(public_key, -1)); });
}

TEST_F(Serialization, RefusesTrailingBytesAndBombs) {
  const Bytes ciphertext = serialize(context, p.encrypt(values, 1));
  refuses({"bytes are left; expected"}, [&] { parse_ciphertext(context, resized(ciphertext, 1)); });
  refuses({"announced"}, [&] {
    Bytes longer = ciphertext;
    longer.push_back(std::byte{0});
    parse_ciphertext(context, longer);
  });
  // A size that no machine has, and a level that is not there.
  refuses({"announced"}, [&] { parse_ciphertext(context, with(ciphertext, 24, ~std::uint64_t{0}, 8)); });
  refuses({"level 4294967295", "at most 3"}, [&] { parse_ciphertext(context, with(ciphertext, kHeader, ~0u, 4)); });
  refuses({"level 4"}, [&] { parse_ciphertext(context, with(ciphertext, kHeader, 4, 4)); });
  // Another level than the bytes are for.
  refuses({"expected"}, [&] { parse_ciphertext(context, with(ciphertext, kHeader, 3, 4)); });
  refuses({"expected"}, [&] { parse_ciphertext(context, with(ciphertext, kHeader, 0, 4)); });

  const Bytes keys = serialize(context, secret::make_evaluation_keys(p.key, {{{1, 0}}, 0, -1}, p.prng));
  refuses({"bytes are left; expected 0"}, [&] { parse_evaluation_keys(context, resized(keys, 8), required); });
  refuses({"Galois keys"}, [&] { parse_evaluation_keys(context, with(keys, kHeader + 4, ~0u, 4), required); });
  refuses({"relinearisation keys"}, [&] { parse_evaluation_keys(context, with(keys, kHeader, 2, 4), required); });
  const Bytes key = serialize(context, secret::make_relinearization_key(p.key, 0, p.prng));
  refuses({"truncated"}, [&] { parse_switching_key(context, with(key, kHeader, 3, 4)); });
  refuses({"bytes are left; expected 0"}, [&] { parse_switching_key(context, resized(key, 3)); });
}

TEST_F(Serialization, RefusesForeignAndMistakenObjects) {
  const Bytes ciphertext = serialize(context, p.encrypt(values, 1));
  Party& other = support::party("n13_alpha1");
  refuses({"other CKKS parameters"}, [&] { parse_ciphertext(*other.context, ciphertext); });
  refuses({"start with THEX"}, [&] { parse_ciphertext(context, with(ciphertext, 0, 0, 1)); });
  refuses({"version 9", "version 1"}, [&] { parse_ciphertext(context, with(ciphertext, 4, 9, 2)); });
  refuses({"type 1", "switching key"}, [&] { parse_switching_key(context, ciphertext); });
  refuses({"type 1", "evaluation keys"}, [&] { parse_evaluation_keys(context, ciphertext, required); });
  refuses({"type 1", "public key"}, [&] { parse_public_key(context, ciphertext); });
  refuses({"type 77", "ciphertext"}, [&] { parse_ciphertext(context, with(ciphertext, 6, 77, 2)); });
  const Bytes key = serialize(context, secret::make_relinearization_key(p.key, 0, p.prng));
  refuses({"type 3", "ciphertext"}, [&] { parse_ciphertext(context, key); });
}

TEST_F(Serialization, RefusesResiduesAndScalesOutOfRange) {
  const Bytes ciphertext = serialize(context, p.encrypt(values, 1));
  // q_0 has 42 bits and is not 2^42 - 1: all ones in the first residue of c_0, and in the last one of c_1 (30 bits).
  Bytes bad = ciphertext;
  for (std::size_t i = 0; i < 6; ++i) bad[kHeader + 12 + i] = std::byte{0xFF};
  refuses({"residue", "limb 0", std::to_string(context.prime(LimbIndex(0)).value())},
          [&] { parse_ciphertext(context, bad); });
  bad = ciphertext;
  for (std::size_t i = 0; i < 5; ++i) bad[bad.size() - 1 - i] = std::byte{0xFF};
  refuses({"residue", "limb 1"}, [&] { parse_ciphertext(context, bad); });
  for (const double scale : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    std::uint64_t bits;
    std::memcpy(&bits, &scale, sizeof bits);
    refuses({"scale"}, [&] { parse_ciphertext(context, with(ciphertext, kHeader + 4, bits, 8)); });
  }
  // In keys: a special-prime limb.
  Bytes key = serialize(context, secret::make_relinearization_key(p.key, 0, p.prng));
  for (std::size_t i = 0; i < 5; ++i) key[key.size() - 1 - i] = std::byte{0xFF};
  refuses({"residue", "limb 2"}, [&] { parse_switching_key(context, key); });
}

TEST_F(Serialization, RefusesKeysThatAreNotRequired) {
  const auto bytes_of = [&](const KeyRequirements& made) {
    return serialize(context, secret::make_evaluation_keys(p.key, made, p.prng));
  };
  refuses({"Galois element", "not required"}, [&] {
    parse_evaluation_keys(context, bytes_of({{{2, 0}}, -1, -1}), required);
  });
  refuses({"level 2", "at most 1"}, [&] { parse_evaluation_keys(context, bytes_of({{{-4, 2}}, -1, -1}), required); });
  refuses({"relinearisation key", "not required"}, [&] {
    parse_evaluation_keys(context, bytes_of({{}, 0, -1}), {{{1, 3}}, -1, -1});
  });
  refuses({"at most"}, [&] {
    parse_evaluation_keys(context, bytes_of({{{1, 2}, {2, 2}, {3, 2}, {4, 2}, {5, 2}}, 3, 3}), required);
  });
  // Two keys of one seed: their uniform halves are equal.
  EvaluationKeys equal = secret::make_evaluation_keys(p.key, {{{1, 0}, {2, 0}}, -1, -1}, p.prng);
  equal.galois.rbegin()->second.seed = equal.galois.begin()->second.seed;
  refuses({"two keys of one seed"}, [&] {
    parse_evaluation_keys(context, serialize(context, equal), {{{1, 0}, {2, 0}}, -1, -1});
  });
  // The same key twice.
  Bytes twice = bytes_of({{{1, 0}}, -1, -1});
  const std::size_t first = kHeader + 8, body = twice.size() - first;
  twice.resize(twice.size() + body);
  std::memcpy(twice.data() + first + body, twice.data() + first, body);
  twice = with(resized(twice, 0), kHeader + 4, 2, 4);
  refuses({"ascending"}, [&] { parse_evaluation_keys(context, twice, required); });
}

TEST_F(Serialization, WritersRefuseUnrelinearizedAndMisshapenObjects) {
  const Ciphertext x = p.encrypt(values, 1);
  expect_error(ErrorCode::crypto, {"3 parts"}, [&] { serialize(context, p.evaluator.mul(x, x)); });
  Ciphertext wrong = x;
  wrong.level = 2;
  expect_error(ErrorCode::crypto, {"2 limbs", "expected 3"}, [&] { serialize(context, wrong); });
  wrong.level = 12;
  expect_error(ErrorCode::crypto, {"level 12"}, [&] { serialize(context, wrong); });
}

// The seeded form is specified, so that other clients can make it: c_1 and the packing follow from the header's
// comments.
TEST_F(Serialization, FormatIsAsSpecified) {
  const Plaintext plain = p.encode(values, 1, context.scale(1));
  const SeededCiphertext seeded = secret::encrypt(p.key, plain, p.prng);
  const Bytes bytes = serialize(context, seeded);
  EXPECT_EQ(std::memcmp(bytes.data(), "THEX\x01\x00\x02\x00", 8), 0);
  EXPECT_EQ(std::memcmp(bytes.data() + 8, context.fingerprint().data(), 16), 0);
  const auto number = [&](std::size_t at, std::size_t width) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value |= std::to_integer<std::uint64_t>(bytes[at + i]) << (8 * i);
    return value;
  };
  EXPECT_EQ(number(24, 8), bytes.size() - 32);
  EXPECT_EQ(number(32, 4), 1u);
  EXPECT_EQ(std::memcmp(bytes.data() + 44, seeded.seed.data(), 32), 0);
  const int bits = context.prime(LimbIndex(0)).bits();
  EXPECT_EQ(number(76, 8) & ((std::uint64_t{1} << bits) - 1), seeded.c0.limb(0)[0]);
}

}  // namespace
}  // namespace thex::ckks
