// Between Microsoft SEAL's objects and ours. Both have the same ring, NTT order and roots; a SEAL key is ours with
// digits of one prime (digit_limbs = 1) and one special prime. They differ in two conventions:
//
// - SEAL's slot i is the value at zeta^(3^i), ours at zeta^(5^i). As 3^i is 5^j or -5^j modulo 2N, SEAL's slots are
// ours
//   in another order, every other one conjugated.
// - SEAL's key of Galois element g switches sigma_g(s) to s and is applied after the automorphism; ours switches s to
//   sigma_g^-1(s) and is applied before it. One is the automorphism of the other.
#pragma once

#include <complex>
#include <cstdint>
#include <vector>

#include "seal_format.h"
#include "thex/ckks/ciphertext.h"
#include "thex/ckks/context.h"
#include "thex/ckks/keys.h"
#include "thex/ckks/secret/secret.h"

namespace thex::testing::seal {

// q_0 .. q_L, then the special prime. Throws std::runtime_error when SEAL has no such parameters.
Parameters to_seal(const ckks::Context& context);

Plain to_seal(const ckks::secret::SecretKey& key);
Plain to_seal(const ckks::Context& context, const ckks::Plaintext& plaintext);
Cipher to_seal(const ckks::Context& context, const ckks::Ciphertext& ciphertext);
Keys relinearization_to_seal(const ckks::Context& context, const ckks::SwitchingKey& key);
Keys galois_to_seal(const ckks::Context& context, const std::map<std::uint64_t, ckks::SwitchingKey>& keys);

// Throw std::runtime_error when the object does not belong to the context or a residue is not below its prime.
ckks::Plaintext from_seal(const ckks::Context& context, const Plain& plain);
ckks::Ciphertext from_seal(const ckks::Context& context, const Cipher& cipher);
ckks::SwitchingKey relinearization_from_seal(const ckks::Context& context, const Keys& keys);
std::map<std::uint64_t, ckks::SwitchingKey> galois_from_seal(const ckks::Context& context, const Keys& keys);

// sigma_g on slots, ours and SEAL's Galois elements alike: slots[i] are the values at zeta^(5^i).
std::vector<std::complex<double>> apply_element(const ckks::Context& context, std::uint64_t g,
                                                const std::vector<std::complex<double>>& slots);
// Our slots in SEAL's order.
std::vector<std::complex<double>> slots_to_seal(const ckks::Context& context,
                                                const std::vector<std::complex<double>>& slots);
std::vector<std::complex<double>> slots_from_seal(const ckks::Context& context,
                                                  const std::vector<std::complex<double>>& slots);
// The Galois element of SEAL's rotation by `steps`: a power of 3, for 0 that of conjugation.
std::uint64_t seal_element(const ckks::Context& context, int steps);
// The k with 5^k = g modulo 2N: our rotation of element g = 1 modulo 4.
int steps_of(const ckks::Context& context, std::uint64_t g);

}  // namespace thex::testing::seal
