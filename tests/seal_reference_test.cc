// Our CKKS against Microsoft SEAL with the same ring, primes and secret key: each decrypts the other's ciphertexts,
// computes on them with the other's keys, and where an operation is exact the residues are equal.
//
// SealReference runs SEAL itself and is skipped where Node.js or its package is missing (npm ci --prefix tests/node).
// SealVectors compares with what SEAL has computed before (tests/testdata/seal) and needs neither. Its vectors are
// written by
//   THEX_UPDATE_SEAL_VECTORS=1 build/seal_reference_test --gtest_filter='SealVectors.*'
// and must be written anew when the choice of primes or the expansion of a secret key changes.
#include <sodium.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>

#include "seal_world.h"
#include "tests/support/byte_planes.h"
#include "thex/ring/kernels.h"

namespace thex::testing::seal {
namespace {

using ckks::Ciphertext;
using support::error_of;
using support::NamedSpec;

Slots real_parts(Slots slots) {
  for (auto& slot : slots) slot = slot.real();
  return slots;
}

Slots product(const Slots& a, const Slots& b) {
  return support::zip(a, b, [](auto s, auto t) { return s * t; });
}
Slots sum(const Slots& a, const Slots& b) {
  return support::zip(a, b, [](auto s, auto t) { return s + t; });
}

bool equal(const Ciphertext& ours, const Ciphertext& theirs) {
  return support::identical(ours, theirs);  // residues, level and scale
}

class SealReference : public ::testing::TestWithParam<NamedSpec> {
 protected:
  void SetUp() override {
    const std::string reason = World::missing();
    if (!reason.empty()) GTEST_SKIP() << reason;
    static std::map<std::string, std::unique_ptr<World>> worlds;
    auto& world = worlds[GetParam().name];
    if (!world) world = std::make_unique<World>(GetParam().spec);
    world_ = world.get();
  }
  const World& world() const { return *world_; }

  // A ciphertext holds these slots (our order) for us and, by its real parts, for SEAL. The two readings of one
  // ciphertext differ by rounding in double precision only.
  void expect_both_read(const std::string& name, const Slots& expected, double bound) const {
    const Slots here = world().decrypt(world().ciphertext(name));
    const Slots there = world().read_by_seal(name);
    EXPECT_LE(error_of(here, expected), bound) << name << ", read by us";
    EXPECT_LE(error_of(there, real_parts(slots_to_seal(*world().context, expected))), bound)
        << name << ", read by SEAL";
    EXPECT_LE(error_of(real_parts(slots_to_seal(*world().context, here)), there), 1e-9) << name;
  }

 private:
  World* world_ = nullptr;
};

INSTANTIATE_TEST_SUITE_P(Parameters, SealReference,
                         ::testing::Values(NamedSpec{"n12", {12, {38, 28}, {38}, 1, 28}},
                                           NamedSpec{"n13", {13, {45, 32, 32, 32}, {46}, 1, 32}},
                                           NamedSpec{"n14", {14, {50, 40}, {50}, 1, 40}}),
                         support::name_of);

TEST_P(SealReference, ItsFormatIsReadAndWrittenByteForByte) {
  for (const char* const name : {"parameters", "parameters_again"}) {
    EXPECT_EQ(serialize(parse_parameters(world().bytes(name))), world().bytes("parameters")) << name;
  }
  EXPECT_EQ(serialize(parse_plain(world().bytes("p"))), world().bytes("p"));
  for (const char* const name : {"x", "y", "product", "dropped"}) {
    EXPECT_EQ(serialize(parse_cipher(world().bytes(name))), world().bytes(name)) << name;
  }
  for (const char* const name : {"relin", "galois"}) {
    EXPECT_EQ(serialize(parse_keys(world().bytes(name))), world().bytes(name)) << name;
  }
  // Keys made by SEAL survive the way through our form.
  EXPECT_EQ(serialize(relinearization_to_seal(*world().context, *world().seal_keys.relinearization)),
            world().bytes("relin"));
  EXPECT_EQ(serialize(galois_to_seal(*world().context, world().seal_keys.galois)), world().bytes("galois"));
}

TEST_P(SealReference, EncodersAgreeToTheLastBit) {
  const auto& context = *world().context;
  const ckks::Plaintext theirs = from_seal(context, parse_plain(world().bytes("p")));
  EXPECT_LE(error_of(world().encoder.decode(theirs), world().ours(world().p)), world().encoding_bound());
  const ckks::Plaintext ours = world().encode(world().ours(world().p));
  ASSERT_EQ(ours.poly.limbs(), theirs.poly.limbs());
  std::size_t different = 0;
  for (const ckks::LimbIndex i : ours.level.primes()) {
    const std::uint64_t q = context.prime(i).value();
    ring::Poly difference(context.n(), 1);
    std::uint64_t* const values = difference.limb(0);
    ring::kernels().sub(values, ours.poly.limb(i), theirs.poly.limb(i), context.n(), context.prime(i));
    ring::kernels().ntt_inverse(values, context.ntt(i));
    for (std::size_t k = 0; k < context.n(); ++k) {
      EXPECT_LE(std::min(values[k], q - values[k]), 1u);  // of a coefficient half-way between two integers
      different += values[k] != 0;
    }
  }
  EXPECT_LE(different, context.n() * ours.poly.limbs() / 100);
}

TEST_P(SealReference, EachDecryptsTheOther) {
  expect_both_read("x", world().ours(world().x), world().seal_public_bound());
  expect_both_read("y", world().ours(world().y), world().symmetric_bound());
  expect_both_read("own_x", world().ours(world().x), world().symmetric_bound());
  expect_both_read("own_y", world().ours(world().y), world().own_public_bound());
}

TEST_P(SealReference, ExactOperationsGiveEqualResidues) {
  const auto& evaluator = world().evaluator;
  const auto& context = *world().context;
  const Ciphertext x = world().ciphertext("x"), y = world().ciphertext("y");
  const ckks::Plaintext p = from_seal(context, parse_plain(world().bytes("p")));
  const Ciphertext times_plain = evaluator.mul_plain(x, p), square = evaluator.mul(x, x);
  const Ciphertext times = evaluator.mul(x, y);
  EXPECT_TRUE(equal(evaluator.add(x, y), world().ciphertext("sum")));
  EXPECT_TRUE(equal(evaluator.sub(x, y), world().ciphertext("difference")));
  EXPECT_TRUE(equal(evaluator.negate(x), world().ciphertext("negated")));
  EXPECT_TRUE(equal(evaluator.add_plain(x, p), world().ciphertext("plus_plain")));
  EXPECT_TRUE(equal(times_plain, world().ciphertext("times_plain")));
  EXPECT_TRUE(equal(evaluator.rescale(times_plain), world().ciphertext("times_plain_rescaled")));
  EXPECT_TRUE(equal(evaluator.drop_to(x, world().top() - 1), world().ciphertext("dropped")));
  EXPECT_TRUE(equal(times, world().ciphertext("product")));
  EXPECT_TRUE(equal(evaluator.rescale(times), world().ciphertext("product_rescaled")));
  EXPECT_TRUE(equal(square, world().ciphertext("square")));
  EXPECT_TRUE(equal(evaluator.rescale(square), world().ciphertext("square_rescaled")));
  EXPECT_TRUE(equal(evaluator.rescale(world().ciphertext("relinearized")), world().ciphertext("lower")));
  EXPECT_TRUE(
      equal(evaluator.mul_plain(world().ciphertext("own_x"), from_seal(context, parse_plain(world().bytes("own_p")))),
            world().ciphertext("with_own_plain")));
  EXPECT_FALSE(equal(evaluator.add(x, x), world().ciphertext("sum")));  // the comparison can fail
}

TEST_P(SealReference, KeysOfSealRelinearizeAndRotateHere) {
  const auto& context = *world().context;
  const ckks::Level top = world().top();
  const double scale = world().scale(), lower_scale = context.scale(top - 1);
  const Slots x = world().ours(world().x), xy = product(x, world().ours(world().y));
  const double fresh = world().seal_public_bound(), rounding = 2 * world().rounding_bound(lower_scale);
  const double here = fresh + world().symmetric_bound() + world().switch_bound(top, scale * scale);
  const double there = fresh + world().symmetric_bound() + world().seal_switch_bound(top, scale * scale);
  expect_both_read("here_relinearized", xy, here);
  expect_both_read("here_rescaled", xy, here + rounding);
  expect_both_read("here_at_once", xy, here + rounding);
  expect_both_read("relinearized", xy, there);
  expect_both_read("lower", xy, there + rounding);

  const double rotated_here = fresh + world().switch_bound(top, scale);
  const double lower_rotated_here = here + rounding + world().switch_bound(top - 1, lower_scale);
  const double rotated_there = fresh + world().seal_switch_bound(top, scale);
  const double lower_rotated_there = there + rounding + world().seal_switch_bound(top - 1, lower_scale);
  std::size_t rotations_here = 0;
  for (const int steps : World::kSteps) {
    const std::uint64_t g = seal_element(context, steps);
    const Slots expected = apply_element(context, g, x), expected_lower = apply_element(context, g, xy);
    const std::string k = std::to_string(steps);
    expect_both_read("rotated_" + k, expected, rotated_there);
    expect_both_read("lower_rotated_" + k, expected_lower, lower_rotated_there);
    if (g % 4 == 1) {
      ++rotations_here;
      expect_both_read("here_rotated_" + k, expected, rotated_here);
      expect_both_read("here_hoisted_" + k, expected, rotated_here);
      expect_both_read("here_lower_rotated_" + k, expected_lower, lower_rotated_here);
    }
    // SEAL's rotation is one of its slots.
    if (steps != 0) {
      EXPECT_LE(error_of(slots_to_seal(context, expected), support::rotated(world().x, steps)), 1e-12);
    }
  }
  EXPECT_EQ(rotations_here, 2u);
  const std::uint64_t g = context.conjugation_element();
  expect_both_read("here_conjugated", apply_element(context, g, x), rotated_here);
  expect_both_read("here_lower_conjugated", apply_element(context, g, xy), lower_rotated_here);
}

TEST_P(SealReference, OurKeysRelinearizeAndRotateThere) {
  const auto& context = *world().context;
  const ckks::Level top = world().top();
  const double scale = world().scale(), lower_scale = context.scale(top - 1), fresh = world().symmetric_bound();
  const Slots x = world().ours(world().x), y = world().ours(world().y), p = world().ours(world().p);
  expect_both_read("with_own_product", product(x, y),
                   fresh + world().own_public_bound() + world().seal_switch_bound(top, scale * scale) +
                       2 * world().rounding_bound(lower_scale));
  expect_both_read("with_own_plain", product(x, p), fresh + 2 * world().encoding_bound());
  for (const char* const name : {"with_both", "here_with_both"}) {
    expect_both_read(name, product(sum(x, y), p), 2 * fresh + 4 * world().encoding_bound());
  }
  for (const int steps : World::kSteps) {
    expect_both_read("with_own_rotated_" + std::to_string(steps),
                     apply_element(context, seal_element(context, steps), x),
                     fresh + world().seal_switch_bound(top, scale));
  }
}

// --- recorded vectors ---

const ckks::ContextSpec& recorded_spec() {
  static const ckks::ContextSpec spec = {12, {31, 23}, {31}, 1, 23};
  return spec;
}
constexpr int kRecordedSteps = 2;
const std::vector<std::string> kRecordedObjects = {"parameters", "x", "p", "relin", "galois"};
const std::vector<std::string> kRecordedDigests = {"negated", "plus_plain", "times_plain",    "times_plain_rescaled",
                                                   "dropped", "square",     "square_rescaled"};

std::filesystem::path recorded(const std::string& name) {
  return std::filesystem::path(THEX_SOURCE_DIR) / "tests/testdata/seal" / name;
}

Bytes recorded_bytes(const std::string& name) {
  const std::string packed = read_file(recorded(name + ".planes"), 1 << 20);
  return unpack_planes(Bytes(packed.begin(), packed.end()));
}

// Of all residues, part after part.
std::string digest(const Ciphertext& ciphertext) {
  std::array<unsigned char, 32> hash{};
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, hash.size());
  for (const ring::Poly& part : ciphertext.parts) {
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(part.limb(0)),
                              part.limbs() * part.n() * sizeof(std::uint64_t));
  }
  crypto_generichash_final(&state, hash.data(), hash.size());
  std::string hex(2 * hash.size() + 1, '\0');
  sodium_bin2hex(hex.data(), hex.size(), hash.data(), hash.size());
  hex.pop_back();
  return hex;
}

void record() {
  const World world(recorded_spec());
  nlohmann::json digests;
  for (const std::string& name : kRecordedDigests) digests[name] = digest(world.ciphertext(name));
  write_file_atomically(recorded("digests.json"), digests.dump(2) + "\n");
  for (const std::string& name : kRecordedObjects) {
    Bytes bytes = world.bytes(name);
    if (name == "galois") {  // one of them is enough
      Keys keys = parse_keys(bytes);
      const std::size_t index = (seal_element(*world.context, kRecordedSteps) - 1) / 2;
      std::erase_if(keys.keys, [&](const auto& entry) { return entry.first != index; });
      bytes = serialize(keys);
    }
    const Bytes packed = pack_planes(bytes);
    write_file_atomically(recorded(name + ".planes"), std::as_bytes(std::span(packed)));
  }
}

class SealVectors : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (std::getenv("THEX_UPDATE_SEAL_VECTORS") != nullptr) record();
  }

  SealVectors()
      : party(recorded_spec()),
        context(*party.context),
        x(from_seal(context, parse_cipher(recorded_bytes("x")))),
        p(from_seal(context, parse_plain(recorded_bytes("p")))),
        x_slots(party.ours(party.vector(1))),
        p_slots(party.ours(party.vector(3))) {}

  Party party;
  const ckks::Context& context;
  Ciphertext x;
  ckks::Plaintext p;
  Slots x_slots, p_slots;
};

TEST_F(SealVectors, ParametersAreOurs) { EXPECT_EQ(recorded_bytes("parameters"), serialize(to_seal(context))); }

TEST_F(SealVectors, Decrypt) {
  EXPECT_LE(error_of(party.decrypt(x), x_slots), party.seal_public_bound());
  EXPECT_GT(error_of(party.decrypt(x), p_slots), 0.5);
  EXPECT_LE(error_of(party.encoder.decode(p), p_slots), party.encoding_bound());
}

TEST_F(SealVectors, ExactOperationsGiveEqualResidues) {
  const auto& evaluator = party.evaluator;
  const Ciphertext times_plain = evaluator.mul_plain(x, p), square = evaluator.mul(x, x);
  const std::map<std::string, Ciphertext> computed = {
      {"negated", evaluator.negate(x)},
      {"plus_plain", evaluator.add_plain(x, p)},
      {"times_plain", times_plain},
      {"times_plain_rescaled", evaluator.rescale(times_plain)},
      {"dropped", evaluator.drop_to(x, 0)},
      {"square", square},
      {"square_rescaled", evaluator.rescale(square)},
  };
  const auto digests = nlohmann::json::parse(read_file(recorded("digests.json"), 1 << 16));
  std::set<std::string> seen;
  for (const std::string& name : kRecordedDigests) {
    EXPECT_EQ(digest(computed.at(name)), digests.at(name)) << name;
    seen.insert(digests.at(name).get<std::string>());
  }
  EXPECT_EQ(seen.size(), computed.size());
}

TEST_F(SealVectors, KeysRelinearizeAndRotate) {
  ckks::EvaluationKeys keys;
  keys.relinearization = relinearization_from_seal(context, parse_keys(recorded_bytes("relin")));
  keys.galois = galois_from_seal(context, parse_keys(recorded_bytes("galois")));
  const double lower_scale = context.scale(0);
  const Slots squares = product(x_slots, x_slots);
  const Ciphertext lower = party.evaluator.relinearize_rescale(party.evaluator.mul(x, x), keys);
  const double lower_bound = 2 * party.seal_public_bound() + 2 * party.rounding_bound(lower_scale);
  EXPECT_LE(error_of(party.decrypt(lower), squares), lower_bound);
  const std::uint64_t g = seal_element(context, kRecordedSteps);
  const int steps = steps_of(context, g);
  const Ciphertext rotated = party.evaluator.rotate(x, steps, keys);
  const Slots in_seal_order = slots_to_seal(context, party.decrypt(rotated));
  EXPECT_LE(error_of(in_seal_order, support::rotated(party.vector(1), kRecordedSteps)),
            party.seal_public_bound() + party.switch_bound(1, party.scale()));
  EXPECT_LE(error_of(party.decrypt(party.evaluator.rotate(lower, steps, keys)), apply_element(context, g, squares)),
            lower_bound + party.switch_bound(0, lower_scale));
}

TEST_F(SealVectors, DamagedObjectsAreRefused) {
  const Bytes bytes = recorded_bytes("x");
  EXPECT_EQ(unpack_planes(pack_planes(bytes)), bytes);
  for (const std::size_t length : {bytes.size() - 1, std::size_t{100}, std::size_t{0}}) {
    EXPECT_THROW(parse_cipher(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length))),
                 std::runtime_error);
  }
  Cipher large = parse_cipher(bytes);
  large.residues[5] = context.prime(ckks::LimbIndex(0)).value();
  EXPECT_THROW(from_seal(context, large), std::runtime_error);
  Cipher foreign = parse_cipher(bytes);
  foreign.parms_id[0] ^= 1;
  EXPECT_THROW(from_seal(context, foreign), std::runtime_error);
}

}  // namespace
}  // namespace thex::testing::seal
