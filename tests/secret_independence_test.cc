// Whether secrets steer the control flow or the addresses of key generation, encryption and decryption, asked of
// valgrind: everything drawn from a secret generator and every plaintext is marked as uninitialised, so that memcheck
// reports each branch and each memory access that depends on it (the method of ctgrind and TIMECOP). What becomes
// public is marked as initialised again. Run by secret_independence_test.sh; "control-..." are deliberate violations
// that must be reported.
//
// Covered: sampling, key generation, both encryptions, decryption, the masks of the masked refresh and the client's
// lift, decoding, with the kernels of THEX_ISA. Not covered: ChaCha20 itself (libsodium's); encoding, which decides on
// the largest coefficient whether it fits the modulus; and instructions whose time depends on their operands: memcheck
// sees none of those.
#include <sodium.h>
#include <valgrind/memcheck.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "thex/ckks/encoder.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/masked_refresh.h"
#include "thex/ckks/secret/secret.h"
#include "thex/ring/kernels.h"

namespace {

using namespace thex;
using namespace thex::ckks;

// Seeds that are sent in the clear. A first run without marks collects them; in the second run every stream of another
// seed is secret.
std::set<ring::Seed> public_seeds;
bool marking = false;

void make_secret(const void* data, std::size_t bytes) {
  if (marking) VALGRIND_MAKE_MEM_UNDEFINED(data, bytes);
}
void make_public(const void* data, std::size_t bytes) { VALGRIND_MAKE_MEM_DEFINED(data, bytes); }
void make_secret(const Plaintext& plain) {
  make_secret(plain.poly.limb(0), plain.poly.n() * plain.poly.limbs() * sizeof(std::uint64_t));
}
void make_public(const ring::Poly& poly) { make_public(poly.limb(0), poly.n() * poly.limbs() * sizeof(std::uint64_t)); }
void make_public(const ring::Seed& seed) {
  make_public(seed.data(), seed.size());
  if (!marking) public_seeds.insert(seed);
}
void make_public(const SwitchingKey& key) {
  make_public(key.seed);
  for (const ring::Poly& b : key.b) make_public(b);
}
void make_public(const Ciphertext& ciphertext) {
  for (const ring::Poly& part : ciphertext.parts) make_public(part);
}

}  // namespace

// The linker puts these in the place of libsodium's function (-Wl,--wrap).
extern "C" int __real_crypto_stream_chacha20_ietf_xor_ic(unsigned char* c, const unsigned char* m,
                                                         unsigned long long length, const unsigned char* nonce,
                                                         std::uint32_t block, const unsigned char* key);
extern "C" int __wrap_crypto_stream_chacha20_ietf_xor_ic(unsigned char* c, const unsigned char* m,
                                                         unsigned long long length, const unsigned char* nonce,
                                                         std::uint32_t block, const unsigned char* key) {
  ring::Seed seed;
  std::memcpy(seed.data(), key, seed.size());
  VALGRIND_MAKE_MEM_DEFINED(seed.data(), seed.size());
  const int status = __real_crypto_stream_chacha20_ietf_xor_ic(c, m, length, nonce, block, seed.data());
  if (!public_seeds.contains(seed)) make_secret(c, length);
  return status;
}

namespace {

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

// The marks arrived: no byte of the words is initialised.
void require_secret(const char* what, const ring::Poly& poly) {
  if (!marking) return;
  std::vector<unsigned char> bits(poly.n() * sizeof(std::uint64_t));
  for (std::size_t i = 0; i < poly.limbs(); ++i) {
    if (VALGRIND_GET_VBITS(poly.limb(i), bits.data(), bits.size()) != 1) fail("valgrind does not tell its marks");
    for (std::size_t at = 0; at < bits.size(); at += sizeof(std::uint64_t)) {
      if (bits[at] == 0) fail(std::string(what) + " is not marked as secret: the search would prove nothing");
    }
  }
}

struct World {
  ContextPtr context = Context::create({13, {38, 29, 29}, {40}, 1, 28});
  Encoder encoder{context};
  Evaluator evaluator{context};
  std::vector<double> slots = std::vector<double>(context->slots());
  World() {
    for (std::size_t i = 0; i < slots.size(); ++i) slots[i] = std::sin(static_cast<double>(i));
  }

  void expect(const Plaintext& plain, double factor) const {
    require_secret("a decrypted plaintext", plain.poly);
    const std::vector<double> values = encoder.decode_real(plain);
    make_public(values.data(), values.size() * sizeof(double));
    for (std::size_t i = 0; i < slots.size(); ++i) {
      const double expected = factor == 2 ? slots[i] * slots[i] : slots[i];
      if (!(std::abs(values[i] - expected) < 0.01))
        fail("a decrypted value is wrong: the marked run computed nonsense");
    }
  }

  void run() const {
    const ring::Seed seed{7};
    ring::Prng prng(seed);
    const secret::SecretKey key = secret::SecretKey::generate(context, prng);
    require_secret("the secret key", key.poly());
    const PublicKey public_key = secret::make_public_key(key, prng);
    make_public(public_key.seed);
    require_secret("the public key, before it is published", public_key.b);
    make_public(public_key.b);
    const EvaluationKeys keys = secret::make_evaluation_keys(key, {{{1, 1}, {-3, 0}}, 2, 0}, prng);
    make_public(*keys.relinearization);
    for (const auto& [element, switching_key] : keys.galois) make_public(switching_key);

    Plaintext plain = encoder.encode_full(slots, 1, context->scale(1));
    Plaintext compact = encoder.encode(std::vector<double>(64, 0.5), 1, context->scale(1));
    make_secret(plain);
    make_secret(compact);
    const SeededCiphertext seeded = secret::encrypt(key, plain, prng);
    make_public(seeded.seed);
    require_secret("a ciphertext, before it is sent", seeded.c0);
    make_public(seeded.c0);
    const SeededCiphertext of_compact = secret::encrypt(key, compact, prng);
    make_public(of_compact.seed);
    make_public(of_compact.c0);
    const Ciphertext by_public_key = secret::encrypt(*context, public_key, plain, prng);
    make_public(by_public_key);
    const Ciphertext fresh = evaluator.expand(seeded);
    const Ciphertext square = evaluator.mul(fresh, fresh);

    expect(secret::decrypt(key, fresh), 1);
    expect(secret::decrypt(key, by_public_key), 1);
    expect(secret::decrypt(key, square), 2);
    expect(secret::decrypt(key, evaluator.relinearize(square, keys)), 2);

    // The round that hides a value from the client: the server's mask, the client's decryption, lift, encryption.
    const MaskedValue masked = mask_for_refresh(*context, fresh, 1, keys, prng);
    make_public(masked.masked);
    const Plaintext lifted = lift(*context, secret::decrypt(key, masked.masked), 1);
    const SeededCiphertext refreshed = secret::encrypt(key, lifted, prng);
    make_public(refreshed.seed);
    make_public(refreshed.c0);
    const Ciphertext back = unmask(*context, evaluator.expand(refreshed), masked.mask);
    make_public(back);
    expect(secret::decrypt(key, back), 1);
  }
};

volatile int sink = 0;

void violate(const std::string& how, const World& world) {
  const ring::Seed seed{9};
  ring::Prng prng(seed);
  if (how == "control-ternary-branch") {
    std::vector<std::int8_t> values(64);
    ring::sample_ternary(prng, values.data(), values.size());
    if (values[3] > 0) sink = 1;
  } else if (how == "control-gaussian-index") {
    static constexpr int kTable[64] = {1, 2, 3};
    std::vector<std::int8_t> values(64);
    ring::sample_gaussian(prng, values.data(), values.size());
    sink = kTable[values[3] + 32];
  } else if (how == "control-key-branch") {
    const auto key = secret::SecretKey::generate(world.context, prng);
    if (key.poly().limb(0)[5] % 2 == 0) sink = 1;
  } else if (how == "control-uniform-rejection") {
    // Rejection sampling is for public polynomials: on a secret stream it must be seen.
    ring::Buffer row(64);
    ring::sample_uniform(prng, row.data(), row.size(), world.context->prime(ckks::LimbIndex(0)));
  } else {
    fail("no control called " + how);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (!RUNNING_ON_VALGRIND) fail("run under valgrind, by secret_independence_test.sh");
  const char* const isa = std::getenv("THEX_ISA");
  if (isa != nullptr && std::string(ring::kernels().name) != isa) fail("other kernels than " + std::string(isa));
  const World world;
  if (argc > 1) {
    marking = true;
    violate(argv[1], world);
    return 0;
  }
  world.run();
  if (public_seeds.size() < 7) fail("only " + std::to_string(public_seeds.size()) + " public seeds were seen");
  marking = true;
  world.run();
  std::printf("%s: no branch or address depends on a secret\n", ring::kernels().name);
  return 0;
}
