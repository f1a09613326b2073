// Ciphertexts and plaintexts. All polynomials are in the NTT domain, canonical residues, limb i modulo prime i of the
// context.
#pragma once

#include <vector>

#include "thex/ring/poly.h"
#include "thex/ring/random.h"

namespace thex::ckks {

// (c_0, c_1) with c_0 + c_1 s = m + e, or (c_0, c_1, c_2) after an unrelinearised product.
struct Ciphertext {
  std::vector<ring::Poly> parts;
  int level = 0;     // parts have level + 1 limbs
  double scale = 0;  // slots hold value * scale
};

// A fresh secret-key encryption whose second half is uniform and travels as a seed (half the bytes).
struct SeededCiphertext {
  ring::Poly c0;
  ring::Seed seed{};  // c_1 limb i = sample_uniform(Prng(seed, i))
  int level = 0;
  double scale = 0;
};

// An encoded vector. A vector of period H < N/2 slots lies in the subring of X^(N/2H): `poly` then has 2H coefficients
// a limb and each stands for a run of N/2H equal values of the bit-reversed NTT (run = N / poly.n()).
struct Plaintext {
  ring::Poly poly;
  int level = 0;
  double scale = 0;
  ring::Poly special;  // the same modulo the special primes, where linear_transform.h needs it; otherwise empty
};

}  // namespace thex::ckks
