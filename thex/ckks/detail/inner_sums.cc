#include "thex/ckks/detail/inner_sums.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "thex/ckks/detail/sum_of_products.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

using Terms = std::vector<LinearTransform::Term>;

// An inner sum, or a part of one, whose factors all have the same period.
struct Output {
  Extended* sum;
  std::vector<const Plaintext*> factors;
};

// Sums of the same rotated inputs, computed together: by the size of their factors and the numbers of the inputs.
using Products = std::map<std::pair<std::size_t, std::vector<std::size_t>>, std::vector<Output>>;

class InnerSums {
 public:
  InnerSums(const Context& context, std::span<const Ciphertext* const> inputs,
            std::span<const LinearTransform> transforms, const EvaluationKeys& keys)
      : context_(context),
        keys_(keys),
        level_(inputs[0]->level),
        extended_(rotates(context, transforms)),
        transforms_(transforms),
        sums_(transforms.size()) {
    for (const Ciphertext* c : inputs) sources_.push_back({c, std::nullopt});
  }

  std::vector<std::map<int, Extended>> compute(const ParallelFor& parallel) && {
    decompose(parallel);
    for (std::size_t t = 0; t < transforms_.size(); ++t) {
      for (const auto& [g, terms] : transforms_[t].at) {
        plan(terms, sums_[t].emplace(g, Extended(context_, level_)).first->second);
      }
    }
    if (extended_) {
      for (std::size_t r = 0; r < rotated_.size(); ++r) order_.push_back(r);
      // The same key for one input after the other.
      std::ranges::stable_sort(order_, {}, [&](std::size_t r) { return rotated_[r].galois_element(); });
    }
    const std::size_t limbs = level_.limbs() + (extended_ ? context_.special_count() : 0);
    parallel(limbs, [&](std::size_t position) { one_limb(position); });
    return std::move(sums_);
  }

 private:
  // Rotated inputs in one range of one limb: part p of the r-th.
  struct Rows {
    ring::Buffer values;
    Row row(std::size_t r, std::size_t p) { return values.data() + (2 * r + p) * kRange; }
  };
  // Memory of add_products.
  struct Lists {
    std::vector<ConstRow> factors, rows;
    std::vector<const ConstRow*> factors_of;
    std::vector<Row> out;
  };

  // Digits of the inputs that are rotated.
  void decompose(const ParallelFor& parallel) {
    std::set<std::size_t> inputs;
    for (const LinearTransform& transform : transforms_) {
      for (const auto& [g, terms] : transform.at) {
        for (const LinearTransform::Term& term : terms) {
          if (context_.galois_element(term.steps) != 1) inputs.insert(term.input);
        }
      }
    }
    const std::vector list(inputs.begin(), inputs.end());
    parallel(list.size(), [&](std::size_t k) { sources_[list[k]].decompose(context_, parallel); });
  }

  // Compact factors of several periods are several products: the first sets the sum, the others are added.
  void plan(const Terms& terms, Extended& sum) {
    struct OfOneSize {
      std::vector<std::size_t> rotated;
      std::vector<const Plaintext*> factors;
    };
    std::map<std::size_t, OfOneSize> by_size;
    for (const LinearTransform::Term& term : terms) {
      OfOneSize& of_size = by_size[term.factor->poly.n()];
      of_size.rotated.push_back(rotation(term));
      of_size.factors.push_back(term.factor);
    }
    bool first = true;
    for (auto& [size, of_size] : by_size) {
      std::vector<Output>& outputs = (first ? setting_ : adding_)[{size, std::move(of_size.rotated)}];
      outputs.push_back({&sum, std::move(of_size.factors)});
      first = false;
    }
  }

  // The number of a term's rotated input.
  std::size_t rotation(const LinearTransform::Term& term) {
    const auto [it, inserted] =
        number_of_.try_emplace({term.input, context_.galois_element(term.steps)}, rotated_.size());
    if (inserted) rotated_.emplace_back("linear_transforms", context_, sources_[term.input], term.steps, keys_);
    return it->second;
  }

  // All sums modulo one prime.
  void one_limb(std::size_t position) const {
    Rows made{ring::Buffer(2 * kRange * order_.size())};
    RangeScratch scratch(context_);
    Lists lists;
    scratch.product.use_prime(limb_prime(context_, level_, position));
    for (std::size_t at = 0; at < context_.n(); at += kRange) {
      for (const std::size_t r : order_) {
        const Row dst[2] = {made.row(r, 0), made.row(r, 1)};
        rotated_[r].range(position, at, dst, scratch);
      }
      const auto source = [&](std::size_t r, std::size_t p) -> ConstRow {
        return extended_ ? made.row(r, p) : rotated_[r].ciphertext().parts[p].limb(position) + at;
      };
      add_products(setting_, true, position, at, source, scratch, lists);
      add_products(adding_, false, position, at, source, scratch, lists);
    }
  }

  // One range of some sums, which it sets or adds to; source(r, p): part p of the r-th rotated input there.
  template <typename Source>
  void add_products(const Products& products, bool sets, std::size_t position, std::size_t at, const Source& source,
                    RangeScratch& scratch, Lists& lists) const {
    const std::size_t chain = level_.limbs();
    const ring::Modulus& q = context_.prime(limb_prime(context_, level_, position));
    auto& [factors, rows, factors_of, out] = lists;
    for (const auto& product : products) {
      const auto& [size, rotated] = product.first;
      const std::vector<Output>& outputs = product.second;
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
          ring::kernels().add(dst(o), dst(o), scratch.range.data(), kRange, q);
        }
      }
    }
  }

  const Context& context_;
  const EvaluationKeys& keys_;
  const Level level_;
  const bool extended_;
  std::span<const LinearTransform> transforms_;
  std::vector<RotationSource> sources_;  // the inputs
  std::vector<Rotated> rotated_;         // every pair of an input and a rotation of it once
  std::map<std::pair<std::size_t, std::uint64_t>, std::size_t> number_of_;  // (input, Galois element) -> in rotated_
  std::vector<std::size_t> order_;  // in which they are made; empty when nothing is rotated
  std::vector<std::map<int, Extended>> sums_;
  Products setting_, adding_;
};

}  // namespace

bool rotates(const Context& context, std::span<const LinearTransform> transforms) {
  return std::ranges::any_of(transforms, [&](const LinearTransform& transform) {
    return std::ranges::any_of(transform.at, [&](const auto& at) {
      return at.first != 0 || std::ranges::any_of(at.second, [&](const LinearTransform::Term& term) {
               return context.galois_element(term.steps) != 1;
             });
    });
  });
}

std::vector<std::map<int, Extended>> inner_sums(const Context& context, std::span<const Ciphertext* const> inputs,
                                                std::span<const LinearTransform> transforms, const EvaluationKeys& keys,
                                                const ParallelFor& parallel) {
  return InnerSums(context, inputs, transforms, keys).compute(parallel);
}

}  // namespace thex::ckks
