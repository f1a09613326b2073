#include "thex/ckks/linear_transform.h"

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "thex/ckks/detail/checks.h"
#include "thex/ckks/detail/inner_sums.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

using ring::kernels;
using ring::Poly;

constexpr const char* kName = "linear_transforms";

void check_terms(const Context& context, std::span<const Ciphertext* const> inputs,
                 std::span<const LinearTransform> transforms) {
  const Level level = inputs[0]->level;
  if (level == 0) refuse(kName, "the ciphertexts are at level 0; no levels are left");
  const bool extended = rotates(context, transforms);
  for (const LinearTransform& transform : transforms) {
    double scale = 0;
    if (transform.at.empty()) refuse(kName, "a transform without terms");
    for (const auto& [g, terms] : transform.at) {
      if (terms.empty()) refuse(kName, "a giant step without terms");
      for (const LinearTransform::Term& term : terms) {
        if (term.input >= inputs.size()) refuse(kName, "input " + std::to_string(term.input) + " does not exist");
        check_plain(kName, context, *term.factor, level);
        const double product = inputs[term.input]->scale * term.factor->scale;
        if (scale == 0) scale = product;
        check_same_scale(kName, scale, product);
        check_product_scale(kName, context, product, level);
        if (!extended) continue;
        if (term.factor->special.limbs() != context.special_count() ||
            term.factor->special.n() != term.factor->poly.n()) {
          refuse(kName, "a plaintext without residues modulo the special primes; use Encoder::encode_extended");
        }
      }
    }
  }
}

// Gathers the inner sums of one transform by its giant steps.
class GiantSteps {
 public:
  GiantSteps(const Context& context, Level level, const EvaluationKeys& keys, const ParallelFor& parallel)
      : context_(context), level_(level), keys_(keys), parallel_(parallel) {}

  // The sum over g of sums[g] rotated by g * steps: Horner's rule from both ends towards 0.
  Extended gather(std::map<int, Extended> sums, int steps) const {
    std::optional<Extended> positive = horner(sums, 1, steps), negative = horner(sums, -1, steps);
    if (positive && negative) add(*positive, *negative);
    return std::move(positive ? *positive : *negative);
  }

 private:
  // The chain of giant steps from the outermost one to 0, or nothing when there is none on that side; the sum at 0 is
  // added by the positive chain.
  std::optional<Extended> horner(std::map<int, Extended>& sums, int direction, int steps) const {
    const int outermost = direction > 0 ? sums.rbegin()->first : sums.begin()->first;
    if (outermost * direction < 0 || (outermost == 0 && direction < 0)) return std::nullopt;
    Extended acc = std::move(sums.at(outermost));
    for (int g = outermost; g != 0;) {
      g -= direction;
      const auto next = sums.find(g);
      const bool adds = next != sums.end() && (g != 0 || direction > 0);
      giant_step(acc, direction * steps, adds ? &next->second : nullptr);
    }
    return acc;
  }

  // acc = acc rotated + addend: c_1 alone is divided by P, for its digits.
  void giant_step(Extended& acc, int steps, const Extended* addend) const {
    Poly c1(context_.n(), level_.limbs());
    const Poly* const from = &acc.parts[1];
    Poly* const to = &c1;
    divide(context_, level_, special_divisor(context_, level_), std::span(&from, 1), std::span(&to, 1), parallel_);
    const SwitchingKey& key = keys_.rotation(context_, steps, level_);
    check_key(kName, context_, key, level_);
    const std::uint32_t* const permutation = context_.permutation(context_.galois_element(steps)).data();
    const Decomposition digits = FreshDigits(context_, c1, level_, parallel_).decompose(parallel_);
    parallel_(acc.parts[0].limbs(), [&](std::size_t position) {
      const LimbIndex prime = limb_prime(context_, level_, position);
      const ring::Modulus& q = context_.prime(prime);
      KeyProduct product(context_);
      product.use_prime(prime);
      std::vector<ConstRow> rows;
      for (const Poly& digit : digits.digits) rows.push_back(digit.limb(position));
      ring::Buffer sum(context_.n());
      for (std::size_t p = 0; p < 2; ++p) {
        const Row out = acc.parts[p].limb(position);
        for (std::size_t at = 0; at < context_.n(); at += kRange) {
          const Row range = sum.data() + at;
          product.range(range, rows, key, p, nullptr, at);
          if (p == 0) kernels().add(range, range, out + at, kRange, q);
        }
        kernels().permute(out, sum.data(), permutation, context_.n());
        if (addend != nullptr) kernels().add(out, out, addend->parts[p].limb(position), context_.n(), q);
      }
    });
  }

  void add(Extended& a, const Extended& b) const {
    parallel_(a.parts[0].limbs(), [&](std::size_t position) {
      const ring::Modulus& q = context_.prime(limb_prime(context_, level_, position));
      for (std::size_t p = 0; p < 2; ++p) {
        const Row row = a.parts[p].limb(position);
        kernels().add(row, row, b.parts[p].limb(position), context_.n(), q);
      }
    });
  }

  const Context& context_;
  const Level level_;
  const EvaluationKeys& keys_;
  const ParallelFor& parallel_;
};

}  // namespace

std::vector<Ciphertext> linear_transforms(const Context& context, std::span<const Ciphertext* const> inputs,
                                          std::span<const LinearTransform> transforms, const EvaluationKeys& keys,
                                          const ParallelFor& parallel) {
  check_inputs(kName, context, inputs);
  check_terms(context, inputs, transforms);
  const Level level = inputs[0]->level;
  std::vector<std::map<int, Extended>> sums = inner_sums(context, inputs, transforms, keys, parallel);
  const Divisor divisor =
      rotates(context, transforms) ? rescaling_divisor(context, level) : last_prime_divisor(context, level);
  const auto dropped = static_cast<double>(context.prime(level.top()).value());
  const GiantSteps giant_steps(context, level, keys, parallel);
  std::vector<Ciphertext> results(transforms.size());
  parallel(results.size(), [&](std::size_t t) {
    const LinearTransform::Term& term = transforms[t].at.begin()->second.front();
    const double scale = inputs[term.input]->scale * term.factor->scale / dropped;
    const Extended sum = giant_steps.gather(std::move(sums[t]), transforms[t].giant_step);
    results[t] = divide(context, level, scale, divisor, sum, parallel);
  });
  return results;
}

}  // namespace thex::ckks
