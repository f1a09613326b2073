#include "thex/ckks/linear_transform.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "thex/base/error.h"
#include "thex/ckks/detail/checks.h"
#include "thex/ckks/detail/rotated.h"
#include "thex/ckks/detail/sum_of_products.h"

namespace thex::ckks {
namespace {

using ring::kernels;
using ring::Poly;

class Transforms {
 public:
  Transforms(const Context& context, std::span<const Ciphertext* const> inputs,
             std::span<const LinearTransform> transforms, const EvaluationKeys& keys, const ParallelFor& parallel)
      : context_(context),
        keys_(keys),
        parallel_(parallel),
        level_(inputs[0]->level),
        transforms_(transforms),
        sums_(transforms.size()) {
    sources_.reserve(inputs.size());
    for (const Ciphertext* c : inputs) sources_.push_back({c, std::nullopt});
    std::set<std::size_t> rotated_inputs;
    for (const LinearTransform& transform : transforms) {
      for (const auto& [g, terms] : transform.at) {
        extended_ = extended_ || g != 0;
        for (const LinearTransform::Term& term : terms) {
          if (context.galois_element(term.steps) != 1) rotated_inputs.insert(term.input);
        }
      }
    }
    extended_ = extended_ || !rotated_inputs.empty();
    check_terms();
    parallel(rotated_inputs.size(), [&, list = std::vector(rotated_inputs.begin(), rotated_inputs.end())](
                                        std::size_t k) { sources_[list[k]].decompose(context, parallel); });
    for (std::size_t t = 0; t < transforms.size(); ++t) {
      for (const auto& [g, terms] : transforms[t].at) {
        Extended& sum = sums_[t].emplace(g, Extended(context, level_)).first->second;
        std::map<std::size_t, Terms> by_size;  // compact factors of several periods
        for (const LinearTransform::Term& term : terms) {
          Terms& of_size = by_size[term.factor->poly.n()];
          of_size.rotated.push_back(rotation(term));
          of_size.factors.push_back(term.factor);
        }
        bool first = true;
        for (auto& [size, of_size] : by_size) {
          std::vector<Output>& outputs = (first ? products_ : further_)[{size, std::move(of_size.rotated)}];
          outputs.push_back({&sum, std::move(of_size.factors)});
          first = false;
        }
      }
    }
    if (extended_) {
      for (std::size_t r = 0; r < rotated_.size(); ++r) order_.push_back(r);
      // The same key for one input after the other.
      std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
        return rotated_[a].galois_element() < rotated_[b].galois_element();
      });
    }
    const std::size_t limbs = level_.limbs() + (extended_ ? context.special_count() : 0);
    parallel(limbs, [&](std::size_t position) { inner_sums(position); });
  }

  std::vector<Ciphertext> results() {
    std::vector<Ciphertext> all(transforms_.size());
    parallel_(all.size(), [&](std::size_t t) { all[t] = result(t); });
    return all;
  }

 private:
  struct Terms {
    std::vector<std::size_t> rotated;  // indices into rotated_
    std::vector<const Plaintext*> factors;
  };
  struct Output {
    Extended* sum;
    std::vector<const Plaintext*> factors;
  };
  // Sums of the same rotated inputs, by the size of their factors and the inputs: they are computed together.
  using Products = std::map<std::pair<std::size_t, std::vector<std::size_t>>, std::vector<Output>>;

  // Memory of add_products.
  struct Lists {
    std::vector<ConstRow> factors, rows;
    std::vector<const ConstRow*> factors_of;
    std::vector<Row> out;
  };

  void check_terms() const {
    static constexpr const char* kName = "linear_transforms";
    if (level_ == 0) refuse(kName, "the ciphertexts are at level 0; no levels are left");
    for (const LinearTransform& transform : transforms_) {
      double scale = 0;
      if (transform.at.empty()) refuse(kName, "a transform without terms");
      for (const auto& [g, terms] : transform.at) {
        if (terms.empty()) refuse(kName, "a giant step without terms");
        for (const LinearTransform::Term& term : terms) {
          if (term.input >= sources_.size()) refuse(kName, "input " + std::to_string(term.input) + " does not exist");
          check_plain(kName, context_, *term.factor, level_);
          const double product = sources_[term.input].ciphertext->scale * term.factor->scale;
          if (scale == 0) scale = product;
          check_same_scale(kName, scale, product);
          check_product_scale(kName, context_, product, level_);
          if (!extended_) continue;
          if (term.factor->special.limbs() != context_.special_count() ||
              term.factor->special.n() != term.factor->poly.n()) {
            refuse(kName, "a plaintext without residues modulo the special primes; use Encoder::encode_extended");
          }
        }
      }
    }
  }

  std::size_t rotation(const LinearTransform::Term& term) {
    const auto [it, inserted] =
        rotation_of_.try_emplace({term.input, context_.galois_element(term.steps)}, rotated_.size());
    if (inserted) rotated_.emplace_back("linear_transforms", context_, sources_[term.input], term.steps, keys_);
    return it->second;
  }

  // All inner sums modulo one prime.
  void inner_sums(std::size_t position) {
    ring::Buffer rotated(2 * kRange * order_.size());
    const auto part = [&](std::size_t r, std::size_t p) { return rotated.data() + (2 * r + p) * kRange; };
    RangeScratch scratch(context_);
    Lists lists;
    scratch.product.use_prime(limb_prime(context_, level_, position));
    for (std::size_t at = 0; at < context_.n(); at += kRange) {
      for (const std::size_t r : order_) {
        const Row dst[2] = {part(r, 0), part(r, 1)};
        rotated_[r].range(position, at, dst, scratch);
      }
      const auto source = [&](std::size_t r, std::size_t p) -> ConstRow {
        return extended_ ? part(r, p) : rotated_[r].ciphertext().parts[p].limb(position) + at;
      };
      add_products(products_, true, position, at, source, scratch, lists);
      add_products(further_, false, position, at, source, scratch, lists);
    }
  }

  // One range of some inner sums, which it sets or adds to; source(r, p): part p of the r-th rotated input there.
  template <typename Source>
  void add_products(const Products& products, bool sets, std::size_t position, std::size_t at, const Source& source,
                    RangeScratch& scratch, Lists& lists) const {
    const std::size_t chain = level_.limbs();
    const ring::Modulus& q = context_.prime(limb_prime(context_, level_, position));
    auto& [factors, rows, factors_of, out] = lists;
    for (const auto& [inputs, outputs] : products) {
      const auto& [size, rotated] = inputs;
      const std::size_t run = context_.n() / size;
      factors.clear();
      for (const Output& output : outputs) {
        for (const Plaintext* factor : output.factors) {
          const ConstRow limb = position < chain ? factor->poly.limb(position) : factor->special.limb(position - chain);
          factors.push_back(limb + at / run);
        }
      }
      factors_of.clear();
      for (std::size_t o = 0; o < outputs.size(); ++o) factors_of.push_back(factors.data() + o * rotated.size());
      for (std::size_t p = 0; p < 2; ++p) {
        rows.clear();
        for (const std::size_t r : rotated) rows.push_back(source(r, p));
        const auto dst = [&](std::size_t o) { return outputs[o].sum->parts[p].limb(position) + at; };
        if (sets) {
          out.clear();
          for (std::size_t o = 0; o < outputs.size(); ++o) out.push_back(dst(o));
          sums_of_products(out, rows, factors_of, std::min(run, kRange), kRange, q);
          continue;
        }
        for (std::size_t o = 0; o < outputs.size(); ++o) {
          const std::span of(factors_of[o], rotated.size());
          sum_of_products(scratch.range.data(), rows, of, std::min(run, kRange), kRange, q);
          kernels().add(dst(o), dst(o), scratch.range.data(), kRange, q);
        }
      }
    }
  }

  // The chain of giant steps from the outermost one to 0, or nothing when there is none on that side; the sum at 0 is
  // added by the positive chain.
  std::optional<Extended> horner(std::size_t t, int direction) {
    std::map<int, Extended>& sums = sums_[t];
    const int outermost = direction > 0 ? sums.rbegin()->first : sums.begin()->first;
    if (outermost * direction < 0 || (outermost == 0 && direction < 0)) return std::nullopt;
    Extended acc = std::move(sums.at(outermost));
    for (int g = outermost; g != 0;) {
      g -= direction;
      const auto next = sums.find(g);
      const bool adds = next != sums.end() && (g != 0 || direction > 0);
      giant_step(acc, direction * transforms_[t].giant_step, adds ? &next->second : nullptr);
    }
    return acc;
  }

  // acc = acc rotated + addend: c_1 alone is divided by P, for its digits.
  void giant_step(Extended& acc, int steps, const Extended* addend) {
    Poly c1(context_.n(), level_.limbs());
    const Poly* const from = &acc.parts[1];
    Poly* const to = &c1;
    divide(context_, level_, special_divisor(context_, level_), std::span(&from, 1), std::span(&to, 1), parallel_);
    const SwitchingKey& key = keys_.rotation(context_, steps, level_);
    check_key("linear_transforms", context_, key, level_);
    const std::uint32_t* const permutation = context_.permutation(context_.galois_element(steps)).data();
    const Decomposition digits = FreshDigits(context_, c1, level_, parallel_).decompose(parallel_);
    parallel_(acc.parts[0].limbs(), [&](std::size_t position) {
      const ring::Modulus& q = context_.prime(limb_prime(context_, level_, position));
      KeyProduct product(context_);
      product.use_prime(limb_prime(context_, level_, position));
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

  Ciphertext result(std::size_t t) {
    const auto& [first_g, first_terms] = *transforms_[t].at.begin();
    const Ciphertext& input = *sources_[first_terms[0].input].ciphertext;
    const double scale =
        input.scale * first_terms[0].factor->scale / static_cast<double>(context_.prime(level_.top()).value());
    std::optional<Extended> sum = horner(t, 1);
    if (std::optional<Extended> negative = horner(t, -1)) {
      if (sum) {
        add(*sum, *negative);
      } else {
        sum = std::move(negative);
      }
    }
    const Divisor divisor = extended_ ? rescaling_divisor(context_, level_) : last_prime_divisor(context_, level_);
    return divide(context_, level_, scale, divisor, *sum, parallel_);
  }

  void add(Extended& a, const Extended& b) {
    parallel_(a.parts[0].limbs(), [&](std::size_t position) {
      const ring::Modulus& q = context_.prime(limb_prime(context_, level_, position));
      for (std::size_t p = 0; p < 2; ++p) {
        const Row row = a.parts[p].limb(position);
        kernels().add(row, row, b.parts[p].limb(position), context_.n(), q);
      }
    });
  }

  const Context& context_;
  const EvaluationKeys& keys_;
  const ParallelFor& parallel_;
  Level level_;
  bool extended_ = false;  // whether anything is rotated; otherwise nothing is multiplied by P
  std::span<const LinearTransform> transforms_;
  std::vector<RotationSource> sources_;
  std::vector<Rotated> rotated_;
  std::vector<std::size_t> order_;  // in which they are made; empty when nothing is rotated
  std::map<std::pair<std::size_t, std::uint64_t>, std::size_t> rotation_of_;
  std::vector<std::map<int, Extended>> sums_;  // per transform, by giant step
  Products products_, further_;                // the first of a sum, and those to be added
};

}  // namespace

std::vector<Ciphertext> linear_transforms(const Context& context, std::span<const Ciphertext* const> inputs,
                                          std::span<const LinearTransform> transforms, const EvaluationKeys& keys,
                                          const ParallelFor& parallel) {
  check_inputs("linear_transforms", context, inputs);
  return Transforms(context, inputs, transforms, keys, parallel).results();
}

}  // namespace thex::ckks
