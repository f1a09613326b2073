#include "thex/ckks/detail/checks.h"
#include "thex/ckks/secret/draw_seed.h"
#include "thex/ckks/secret/secret.h"

namespace thex::ckks::secret {
namespace {

using ring::kernels;

void check_plaintext(const Context& context, const Plaintext& plaintext) {
  context.check_level("encrypt", plaintext.level);
  check_plain("encrypt", context, plaintext, plaintext.level);
}

// row += the plaintext modulo prime i.
void add_plaintext(const Context& context, const Plaintext& plaintext, LimbIndex i, std::uint64_t* row) {
  const std::size_t run = context.n() / plaintext.poly.n();
  if (run == 1) {
    kernels().add(row, row, plaintext.poly.limb(i), context.n(), context.prime(i));
  } else {
    kernels().add_runs(row, row, plaintext.poly.limb(i), run, context.n(), context.prime(i));
  }
}

}  // namespace

SeededCiphertext encrypt(const SecretKey& key, const Plaintext& plaintext, ring::Prng& prng) {
  const Context& context = key.context();
  check_plaintext(context, plaintext);
  const std::size_t n = context.n();
  SeededCiphertext result;
  result.level = plaintext.level;
  result.scale = plaintext.scale;
  result.seed = draw_seed(prng);
  result.c0 = ring::Poly(n, plaintext.poly.limbs());
  const ring::Poly c1 = expand_uniform(context, result.seed, result.level);
  WipedSmall error(n);
  ring::sample_gaussian(prng, error.data(), n);
  WipedPoly product(n, 1);
  for (const LimbIndex i : result.level.primes()) {
    std::uint64_t* const row = result.c0.limb(i);
    error.write_ntt(context, i, row);
    add_plaintext(context, plaintext, i, row);
    kernels().mul(product.limb(0), c1.limb(i), key.poly().limb(i), n, context.prime(i));
    kernels().sub(row, row, product.limb(0), n, context.prime(i));
  }
  return result;
}

Ciphertext encrypt(const Context& context, const PublicKey& key, const Plaintext& plaintext, ring::Prng& prng) {
  check_plaintext(context, plaintext);
  const std::size_t n = context.n(), limbs = plaintext.poly.limbs();
  for (const ring::Poly* half : {&key.b, &key.a}) {
    if (half->n() != n || half->limbs() < limbs) {
      throw Error(ErrorCode::keys, "encrypt: the public key was made for other CKKS parameters");
    }
  }
  WipedSmall mask(n), error0(n), error1(n);
  ring::sample_ternary(prng, mask.data(), n);
  ring::sample_gaussian(prng, error0.data(), n);
  ring::sample_gaussian(prng, error1.data(), n);
  Ciphertext result;
  result.level = plaintext.level;
  result.scale = plaintext.scale;
  result.parts.emplace_back(n, limbs);
  result.parts.emplace_back(n, limbs);
  WipedPoly mask_row(n, 1), product(n, 1);
  for (const LimbIndex i : result.level.primes()) {
    mask.write_ntt(context, i, mask_row.limb(0));
    for (std::size_t p = 0; p < 2; ++p) {
      std::uint64_t* const row = result.parts[p].limb(i);
      (p == 0 ? error0 : error1).write_ntt(context, i, row);
      kernels().mul(product.limb(0), (p == 0 ? key.b : key.a).limb(i), mask_row.limb(0), n, context.prime(i));
      kernels().add(row, row, product.limb(0), n, context.prime(i));
    }
    add_plaintext(context, plaintext, i, result.parts[0].limb(i));
  }
  return result;
}

Plaintext decrypt(const SecretKey& key, const Ciphertext& ciphertext) {
  const Context& context = key.context();
  check_shape("decrypt", context, ciphertext, 2, 3);
  const std::size_t n = context.n();
  Plaintext result{ring::Poly(n, ciphertext.level.limbs()), ciphertext.level, ciphertext.scale};
  result.poly.mark_secret();
  for (const LimbIndex i : result.level.primes()) {
    // Horner's rule in s.
    std::uint64_t* const row = result.poly.limb(i);
    const std::uint64_t* high = ciphertext.parts.back().limb(i);
    for (std::size_t p = ciphertext.parts.size() - 1; p-- > 0;) {
      kernels().mul(row, high, key.poly().limb(i), n, context.prime(i));
      kernels().add(row, row, ciphertext.parts[p].limb(i), n, context.prime(i));
      high = row;
    }
  }
  return result;
}

}  // namespace thex::ckks::secret
