// Ciphertexts and plaintexts. All polynomials are in the NTT domain, canonical residues, limb i modulo prime i of the
// context.
#pragma once

#include <cmath>
#include <vector>

#include "thex/ckks/level.h"
#include "thex/ring/poly.h"
#include "thex/ring/random.h"

namespace thex::ckks {

// (c_0, c_1) with c_0 + c_1 s = m + e, or (c_0, c_1, c_2) after an unrelinearised product.
struct Ciphertext {
  std::vector<ring::Poly> parts;
  Level level;       // parts have level.limbs() limbs
  double scale = 0;  // slots hold value * scale
};

// A fresh secret-key encryption whose second half is uniform and travels as a seed (half the bytes).
struct SeededCiphertext {
  ring::Poly c0;
  ring::Seed seed{};  // c_1 limb i = sample_uniform(Prng(seed, i))
  Level level;
  double scale = 0;
};

// An encoded vector. A vector of period H < N/2 slots lies in the subring of X^(N/2H): `poly` then has 2H coefficients
// a limb and each stands for a run of N/2H equal values of the bit-reversed NTT (run = N / poly.n()).
struct Plaintext {
  ring::Poly poly;
  Level level;
  double scale = 0;
  ring::Poly special;  // the same modulo the special primes, where linear_transform.h needs it; otherwise empty
};

// Scales are products and quotients of primes in double precision: equal ones differ by rounding errors only, different
// ones by far more than this.
inline constexpr double kScaleTolerance = 0x1p-30;
inline bool same_scale(double a, double b) { return std::abs(a - b) <= kScaleTolerance * std::abs(a); }

}  // namespace thex::ckks
