// Keys and ciphertexts for the cases of one size. Internal to the benchmarks.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "thex/ckks/encoder.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/secret/secret.h"

namespace thex::measure {

// A key for products and one for the rotation by 1, and fresh ciphertexts, all at the top level. Seeded: times do not
// depend on values, and runs can be repeated exactly.
struct Fixture {
  explicit Fixture(const ckks::ContextSpec& spec);

  ckks::ContextPtr context;
  ckks::Encoder encoder;
  ckks::Evaluator evaluator;
  ring::Prng prng;
  ckks::secret::SecretKey key;
  ckks::EvaluationKeys keys;
  std::vector<std::complex<double>> slots;
  ckks::Plaintext plaintext;
  ckks::Ciphertext a, b;

  ckks::Level top() const { return context->max_level(); }
  ckks::Ciphertext encrypt();
};

// Makes a fixture on first use.
class Fixtures {
 public:
  std::shared_ptr<Fixture> get(int log_n, int limbs);

 private:
  std::map<std::pair<int, int>, std::shared_ptr<Fixture>> made_;
};

}  // namespace thex::measure
