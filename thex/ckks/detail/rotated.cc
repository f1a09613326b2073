#include "thex/ckks/detail/rotated.h"

#include <algorithm>

#include "thex/ckks/detail/checks.h"
#include "thex/ckks/detail/new_ciphertext.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {

using ring::kernels;
using ring::Poly;

Extended::Extended(const Context& context, Level level) {
  for (Poly& part : parts) {
    part = Poly(context.n(), level.limbs() + context.special_count());
  }
}

void RotationSource::decompose(const Context& context, const ParallelFor& parallel) {
  digits = FreshDigits(context, ciphertext->parts[1], ciphertext->level, parallel).decompose(parallel);
}

Rotated::Rotated(const char* operation, const Context& context, const RotationSource& source, int steps,
                 const EvaluationKeys& keys)
    : context_(&context), source_(&source), galois_element_(context.galois_element(steps)) {
  if (galois_element_ == 1) return;
  key_ = &keys.rotation(context, steps, source.ciphertext->level);
  check_key(operation, context, *key_, source.ciphertext->level);
  automorphism_.emplace(context.permutation(galois_element_));
}

void Rotated::range(std::size_t position, std::size_t to, const Row* dst, RangeScratch& scratch) const {
  const Ciphertext& c = *source_->ciphertext;
  const bool special = position >= c.parts[0].limbs();  // where P is zero
  if (key_ == nullptr) {
    for (std::size_t p = 0; p < 2; ++p) {
      if (special) {
        std::fill_n(dst[p], kRange, std::uint64_t{0});
      } else {
        kernels().mul_scalar(dst[p], c.parts[p].limb(position) + to, context_->constants().p[position], kRange,
                             context_->prime(LimbIndex(position)));
      }
    }
    return;
  }
  const std::size_t from = automorphism_->source(to);
  scratch.digits.clear();
  for (const Poly& digit : source_->digits->digits) scratch.digits.push_back(digit.limb(position));
  for (std::size_t p = 0; p < 2; ++p) {
    const ConstRow addend = p == 0 && !special ? c.parts[0].limb(position) : nullptr;
    scratch.product.range(scratch.range.data(), scratch.digits, *key_, p, addend, from);
    automorphism_->permute(dst[p], scratch.range.data(), to);
  }
}

void check_inputs(const char* operation, const Context& context, std::span<const Ciphertext* const> inputs) {
  if (inputs.empty()) refuse(operation, "no inputs");
  for (const Ciphertext* c : inputs) {
    check_shape(operation, context, *c, 2, 2);
    check_same_level(operation, inputs[0]->level, c->level);
  }
}

Ciphertext divide(const Context& context, Level level, double scale, const Divisor& divisor, const Extended& sum,
                  const ParallelFor& parallel) {
  Ciphertext result = new_ciphertext(context, 2, Level::of_limbs(divisor.limbs), scale);
  const Poly* const from[] = {&sum.parts[0], &sum.parts[1]};
  Poly* const to[] = {&result.parts[0], &result.parts[1]};
  divide(context, level, divisor, from, to, parallel);
  return result;
}

}  // namespace thex::ckks
