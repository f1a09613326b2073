// Ciphertexts and plaintexts of CKKS (Cheon, Kim, Kim, Song, ASIACRYPT 2017, ePrint 2016/421) in residue form (Cheon,
// Han, Kim, Kim, Song, SAC 2018, ePrint 2018/931).
//
// All polynomials are in the NTT domain (ring/ntt.h: bit-reversed order), limb i modulo prime i of the context,
// residues canonical: 0 .. prime - 1. These are plain values without a context; whoever computes with them checks their
// shape.
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
  double scale = 0;  // slots hold value * scale; positive and finite
};

// A fresh secret-key encryption whose second half is uniform and travels as a seed (half the bytes): Evaluator::expand
// makes it a ciphertext of two parts.
struct SeededCiphertext {
  ring::Poly c0;      // level.limbs() limbs
  ring::Seed seed{};  // c_1 limb i = sample_uniform(Prng(seed, i))
  Level level;
  double scale = 0;
};

// An encoded vector. A vector of period H < N/2 slots lies in the subring of X^(N/2H): `poly` then has 2H coefficients
// a limb and each stands for a run of N/2H equal values of the bit-reversed NTT (run = N / poly.n()).
struct Plaintext {
  ring::Poly poly;  // level.limbs() limbs
  Level level;
  double scale = 0;
  ring::Poly special;  // the same modulo the special primes, one limb for each of them, where linear_transform.h needs
                       // it; otherwise empty
};

// Scales are products and quotients of primes in double precision: equal ones differ by rounding errors only, different
// ones by far more than this.
inline constexpr double kScaleTolerance = 0x1p-30;
inline bool same_scale(double a, double b) { return std::abs(a - b) <= kScaleTolerance * std::abs(a); }

}  // namespace thex::ckks
