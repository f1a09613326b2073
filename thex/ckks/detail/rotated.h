// Rotated ciphertexts that stay multiplied by P (double hoisting: Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux,
// EUROCRYPT 2021): sums of them are divided by P once. Internal to ckks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "thex/base/parallel.h"
#include "thex/ckks/detail/key_switching.h"

namespace thex::ckks {

// Both parts of a value times P, modulo q_0..q_level and the special primes.
struct Extended {
  Extended(const Context& context, Level level);
  ring::Poly parts[2];
};

// A ciphertext and, where it is rotated, its digits.
struct RotationSource {
  const Ciphertext* ciphertext;
  std::optional<Decomposition> digits;

  void decompose(const Context& context, const ParallelFor& parallel);
};

// Memory of one worker: the product with keys, and a range of values.
struct RangeScratch {
  explicit RangeScratch(const Context& context) : product(context), range(kRange) {}
  KeyProduct product;
  ring::Buffer range;
  std::vector<ConstRow> digits;
};

// One source rotated by some steps, times P: ranges of it are made on demand. It need not have digits when the steps
// are a multiple of the slots.
class Rotated {
 public:
  // Throws Error(keys) without the key. The source and the keys must outlive this object.
  Rotated(const char* operation, const Context& context, const RotationSource& source, int steps,
          const EvaluationKeys& keys);

  const Ciphertext& ciphertext() const { return *source_->ciphertext; }
  std::uint64_t galois_element() const { return galois_element_; }
  // dst[p] = part p in the range at `to` of limb `position`, whose prime scratch.product uses.
  void range(std::size_t position, std::size_t to, const Row* dst, RangeScratch& scratch) const;

 private:
  const Context* context_;
  const RotationSource* source_;
  std::uint64_t galois_element_;
  const SwitchingKey* key_ = nullptr;  // none: not rotated
  std::optional<Automorphism> automorphism_;
};

// What linear transforms and sums of rotations require of their inputs: two parts and one level.
void check_inputs(const char* operation, const Context& context, std::span<const Ciphertext* const> inputs);

// The quotient of both parts as a ciphertext.
Ciphertext divide(const Context& context, Level level, double scale, const Divisor& divisor, const Extended& sum,
                  const ParallelFor& parallel);

}  // namespace thex::ckks
