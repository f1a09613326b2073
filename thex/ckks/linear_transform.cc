#include "thex/ckks/linear_transform.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "thex/base/error.h"
#include "thex/ckks/detail/checks.h"
#include "thex/ckks/detail/key_switching.h"
#include "thex/ckks/detail/sum_of_products.h"

namespace thex::ckks {
namespace {

using ring::kernels;
using ring::Poly;

// Values of a row worked on at a time: the rotated ranges of one transform then fit into the second-level cache. It
// divides every N, and an automorphism maps such ranges onto such ranges (see detail/key_switching.cc).
constexpr std::size_t kChunk = 1024;

// Both parts of a value times P, modulo q_0..q_level and the special primes.
struct Extended {
  Extended(const Context& context, int level)
      : parts{Poly(context.n(), static_cast<std::size_t>(level) + 1 + context.special_count()),
              Poly(context.n(), static_cast<std::size_t>(level) + 1 + context.special_count())} {}
  Poly parts[2];
};

// A ciphertext and, where it is rotated, its digits.
struct Source {
  const Ciphertext* ciphertext;
  std::optional<Decomposition> digits;
};

// Memory of one worker.
struct Scratch {
  explicit Scratch(std::size_t n) : row(n), factor(kChunk) {}
  ring::Buffer row;
  ring::Buffer factor;  // P modulo the prime at hand, kChunk times
  std::vector<ConstRow> digit_rows, key_rows;
  std::vector<const ConstRow*> factors_of;
  std::vector<Row> out;

  void set_factor(std::uint64_t p) { std::fill_n(factor.data(), kChunk, p); }
};

// One source rotated by some steps, times P: ranges of it are made on demand.
class Rotated {
 public:
  Rotated(const Context& context, const Source& source, int steps, const EvaluationKeys& keys)
      : context_(&context), source_(&source) {
    galois_element_ = context.galois_element(steps);
    if (galois_element_ == 1) return;
    key_ = &keys.rotation(context, steps, source.ciphertext->level);
    check_key("linear_transforms", context, *key_, source.ciphertext->level);
    permutation_ = context.permutation(galois_element_).data();
  }

  const Ciphertext& ciphertext() const { return *source_->ciphertext; }

  std::uint64_t galois_element() const { return galois_element_; }

  // dst[p] = part p in values [b * kChunk, (b + 1) * kChunk) of limb `position`. scratch.factor is set for it.
  void range(std::size_t position, std::size_t b, const Row* dst, Scratch& scratch) const {
    const Context& context = *context_;
    const Ciphertext& c = *source_->ciphertext;
    const auto chain = static_cast<std::size_t>(c.level) + 1;
    const std::size_t index = limb_prime(context, c.level, position);
    const ring::Modulus& q = context.prime(index);
    const std::size_t to = b * kChunk;
    if (key_ == nullptr) {
      for (std::size_t p = 0; p < 2; ++p) {
        if (position < chain) {
          kernels().mul_scalar(dst[p], c.parts[p].limb(index) + to, context.constants().p[index], kChunk, q);
        } else {
          std::fill_n(dst[p], kChunk, std::uint64_t{0});
        }
      }
      return;
    }
    const std::size_t from = permutation_[to] / kChunk * kChunk;
    const std::size_t key_position = limb_position(context, key_->level, index);
    const std::size_t count = source_->digits->digits.size();
    const Row row = scratch.row.data();
    std::vector<ConstRow>& digit_rows = scratch.digit_rows;
    std::vector<ConstRow>& key_rows = scratch.key_rows;
    digit_rows.resize(count + 1);
    key_rows.resize(count + 1);
    for (std::size_t d = 0; d < count; ++d) digit_rows[d] = source_->digits->digits[d].limb(position) + from;
    for (std::size_t p = 0; p < 2; ++p) {
      const std::vector<Poly>& half = p == 0 ? key_->b : key_->a;
      for (std::size_t d = 0; d < count; ++d) key_rows[d] = half[d].limb(key_position) + from;
      // P c_0 is one more product, and zero modulo the special primes.
      const bool lifts = p == 0 && position < chain;
      if (lifts) {
        digit_rows[count] = c.parts[0].limb(index) + from;
        key_rows[count] = scratch.factor.data();
      }
      kernels().inner_product(row + from, digit_rows.data(), key_rows.data(), count + (lifts ? 1 : 0), kChunk, q);
      kernels().permute(dst[p], row, permutation_ + to, kChunk);
    }
  }

 private:
  const Context* context_;
  const Source* source_;
  std::uint64_t galois_element_ = 1;
  const SwitchingKey* key_ = nullptr;  // none: not rotated
  const std::uint32_t* permutation_ = nullptr;
};

// dst[p] = the polynomial extended[p] / divisor, rounded: `dst` has the limbs that stay. Transforms modulo one prime
// follow each other.
void divide(const Context& context, int level, const Divisor& divisor, std::span<Poly* const> extended,
            std::span<Poly* const> dst, const ParallelFor& parallel) {
  const std::vector<std::size_t>& removed = divisor.conversion.sources;
  const auto row_of = [&](Poly& poly, std::size_t index) { return poly.limb(limb_position(context, level, index)); };
  parallel(removed.size(), [&](std::size_t k) {
    for (Poly* const poly : extended) {
      const Row row = row_of(*poly, removed[k]);
      to_conversion_row(context, divisor.conversion, k, row, row);
    }
  });
  std::vector<ConversionSource> remainders;
  for (Poly* const poly : extended) {
    std::vector<ConstRow> rows;
    for (const std::size_t index : removed) rows.push_back(row_of(*poly, index));
    remainders.emplace_back(context, divisor.conversion, std::move(rows));
  }
  const std::size_t groups = (divisor.limbs + kConversionGroup - 1) / kConversionGroup;
  parallel(groups, [&](std::size_t g) {
    const std::size_t begin = g * kConversionGroup, count = std::min(kConversionGroup, divisor.limbs - begin);
    Row converted[kConversionGroup];
    std::size_t indices[kConversionGroup];
    for (std::size_t p = 0; p < extended.size(); ++p) {
      for (std::size_t j = 0; j < count; ++j) converted[j] = dst[p]->limb(begin + j), indices[j] = begin + j;
      remainders[p].convert(std::span(converted, count), std::span(indices, count));
    }
    for (std::size_t i = begin; i < begin + count; ++i) {
      for (std::size_t p = 0; p < extended.size(); ++p) {
        const Row row = dst[p]->limb(i);
        kernels().divide_transformed(row, extended[p]->limb(i), row, divisor.inverses[i], context.ntt(i));
      }
    }
  });
}

// Both parts, as a ciphertext.
Ciphertext divide(const Context& context, int level, double scale, const Divisor& divisor, Extended& sum,
                  const ParallelFor& parallel) {
  Ciphertext result;
  result.level = static_cast<int>(divisor.limbs) - 1;
  result.scale = scale;
  for (std::size_t p = 0; p < 2; ++p) result.parts.emplace_back(context.n(), divisor.limbs);
  Poly* const from[] = {&sum.parts[0], &sum.parts[1]};
  Poly* const to[] = {&result.parts[0], &result.parts[1]};
  divide(context, level, divisor, from, to, parallel);
  return result;
}

// What all functions here check of their inputs.
void check_inputs(const char* operation, const Context& context, std::span<const Ciphertext* const> inputs) {
  if (inputs.empty()) refuse(operation, "no inputs");
  for (const Ciphertext* c : inputs) {
    check_shape(operation, context, *c, 2, 2);
    check_same_level(operation, inputs[0]->level, c->level);
  }
}

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
    parallel(rotated_inputs.size(),
             [&, list = std::vector(rotated_inputs.begin(), rotated_inputs.end())](std::size_t k) {
               sources_[list[k]].digits = decompose(context, sources_[list[k]].ciphertext->parts[1], level_, parallel);
             });
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
    const std::size_t limbs = static_cast<std::size_t>(level_) + 1 + (extended_ ? context.special_count() : 0);
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
    if (inserted) rotated_.emplace_back(context_, sources_[term.input], term.steps, keys_);
    return it->second;
  }

  // All inner sums modulo one prime.
  void inner_sums(std::size_t position) {
    const std::size_t n = context_.n(), index = limb_prime(context_, level_, position);
    ring::Buffer rotated(2 * kChunk * order_.size());
    const auto part = [&](std::size_t r, std::size_t p) { return rotated.data() + (2 * r + p) * kChunk; };
    Scratch scratch(n);
    if (position <= static_cast<std::size_t>(level_)) scratch.set_factor(context_.constants().p[index]);
    for (std::size_t b = 0; b < n / kChunk; ++b) {
      for (const std::size_t r : order_) {
        const Row dst[2] = {part(r, 0), part(r, 1)};
        rotated_[r].range(position, b, dst, scratch);
      }
      const auto source = [&](std::size_t r, std::size_t p) -> ConstRow {
        return extended_ ? part(r, p) : rotated_[r].ciphertext().parts[p].limb(index) + b * kChunk;
      };
      add_products(products_, true, position, b, source, scratch);
      add_products(further_, false, position, b, source, scratch);
    }
  }

  // One range of some inner sums, which it sets or adds to; source(r, p): part p of the r-th rotated input there.
  template <typename Source>
  void add_products(const Products& products, bool sets, std::size_t position, std::size_t b, const Source& source,
                    Scratch& scratch) const {
    const auto chain = static_cast<std::size_t>(level_) + 1;
    const ring::Modulus& q = context_.prime(limb_prime(context_, level_, position));
    std::vector<ConstRow>&factors = scratch.key_rows, &rows = scratch.digit_rows;
    for (const auto& [inputs, outputs] : products) {
      const auto& [size, rotated] = inputs;
      const std::size_t run = context_.n() / size;
      factors.clear();
      for (const Output& output : outputs) {
        for (const Plaintext* factor : output.factors) {
          const ConstRow limb = position < chain ? factor->poly.limb(position) : factor->special.limb(position - chain);
          factors.push_back(limb + b * kChunk / run);
        }
      }
      std::vector<const ConstRow*>& factors_of = scratch.factors_of;
      std::vector<Row>& out = scratch.out;
      factors_of.clear();
      for (std::size_t o = 0; o < outputs.size(); ++o) factors_of.push_back(factors.data() + o * rotated.size());
      for (std::size_t p = 0; p < 2; ++p) {
        rows.clear();
        for (const std::size_t r : rotated) rows.push_back(source(r, p));
        const auto dst = [&](std::size_t o) { return outputs[o].sum->parts[p].limb(position) + b * kChunk; };
        if (sets) {
          out.clear();
          for (std::size_t o = 0; o < outputs.size(); ++o) out.push_back(dst(o));
          sums_of_products(out, rows, factors_of, std::min(run, kChunk), kChunk, q);
          continue;
        }
        for (std::size_t o = 0; o < outputs.size(); ++o) {
          const std::span of(factors_of[o], rotated.size());
          sum_of_products(scratch.row.data(), rows, of, std::min(run, kChunk), kChunk, q);
          kernels().add(dst(o), dst(o), scratch.row.data(), kChunk, q);
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
    Poly c1(context_.n(), static_cast<std::size_t>(level_) + 1);
    Poly *const from = &acc.parts[1], *const to = &c1;
    divide(context_, level_, special_divisor(context_, level_), std::span(&from, 1), std::span(&to, 1), parallel_);
    const std::uint64_t g = context_.galois_element(steps);
    const SwitchingKey& key = keys_.rotation(context_, steps, level_);
    check_key("linear_transforms", context_, key, level_);
    const std::uint32_t* const permutation = context_.permutation(g).data();
    const Decomposition digits = decompose(context_, c1, level_, parallel_);
    const std::size_t n = context_.n();
    parallel_(acc.parts[0].limbs(), [&](std::size_t position) {
      const std::size_t index = limb_prime(context_, level_, position);
      const std::size_t key_position = limb_position(context_, key.level, index);
      const ring::Modulus& q = context_.prime(index);
      ring::Buffer sum(n);
      std::vector<ConstRow> digit_rows, key_rows[2];
      for (std::size_t d = 0; d < digits.digits.size(); ++d) {
        digit_rows.push_back(digits.digits[d].limb(position));
        key_rows[0].push_back(key.b[d].limb(key_position));
        key_rows[1].push_back(key.a[d].limb(key_position));
      }
      for (std::size_t p = 0; p < 2; ++p) {
        kernels().inner_product(sum.data(), digit_rows.data(), key_rows[p].data(), digit_rows.size(), n, q);
        const Row out = acc.parts[p].limb(position);
        if (p == 0) kernels().add(sum.data(), sum.data(), out, n, q);
        kernels().permute(out, sum.data(), permutation, n);
        if (addend != nullptr) kernels().add(out, out, addend->parts[p].limb(position), n, q);
      }
    });
  }

  Ciphertext result(std::size_t t) {
    const auto& [first_g, first_terms] = *transforms_[t].at.begin();
    const Ciphertext& input = *sources_[first_terms[0].input].ciphertext;
    const auto top = static_cast<std::size_t>(level_);
    const double scale = input.scale * first_terms[0].factor->scale / static_cast<double>(context_.prime(top).value());
    std::optional<Extended> sum = horner(t, 1);
    if (std::optional<Extended> negative = horner(t, -1)) {
      if (sum) {
        add(*sum, *negative);
      } else {
        sum = std::move(negative);
      }
    }
    const Divisor divisor = extended_
                                ? rescaling_divisor(context_, level_)
                                : Divisor{context_.constants().last[top], context_.constants().q_inverse[top], top};
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
  int level_;
  bool extended_ = false;  // whether anything is rotated; otherwise nothing is multiplied by P
  std::span<const LinearTransform> transforms_;
  std::vector<Source> sources_;
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

Ciphertext sum_of_rotations(const Context& context, std::span<const Ciphertext* const> inputs,
                            std::span<const int> steps, const EvaluationKeys& keys, const ParallelFor& parallel) {
  static constexpr const char* kName = "sum_of_rotations";
  check_inputs(kName, context, inputs);
  if (steps.size() != inputs.size()) {
    refuse(kName, std::to_string(inputs.size()) + " inputs and " + std::to_string(steps.size()) + " rotations");
  }
  const int level = inputs[0]->level;
  // Several rotations of one input share its digits.
  std::map<const Ciphertext*, Source> sources;
  std::vector<Source*> decomposed;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    check_same_scale(kName, inputs[0]->scale, inputs[k]->scale);
    Source& source = sources.try_emplace(inputs[k], Source{inputs[k], std::nullopt}).first->second;
    if (context.galois_element(steps[k]) != 1 && std::ranges::find(decomposed, &source) == decomposed.end())
      decomposed.push_back(&source);
  }
  const bool alone = decomposed.size() == 1;
  parallel(decomposed.size(), [&](std::size_t k) {
    Source& source = *decomposed[k];
    source.digits = decompose(context, source.ciphertext->parts[1], level, alone ? parallel : serial_for);
  });
  std::vector<Rotated> rotated;
  for (std::size_t k = 0; k < inputs.size(); ++k) rotated.emplace_back(context, sources.at(inputs[k]), steps[k], keys);

  Extended sum(context, level);
  parallel(sum.parts[0].limbs(), [&](std::size_t position) {
    const ring::Modulus& q = context.prime(limb_prime(context, level, position));
    ring::Buffer one(2 * kChunk);
    Scratch scratch(context.n());
    if (position <= static_cast<std::size_t>(level)) scratch.set_factor(context.constants().p[position]);
    for (std::size_t b = 0; b < context.n() / kChunk; ++b) {
      const Row out[2] = {sum.parts[0].limb(position) + b * kChunk, sum.parts[1].limb(position) + b * kChunk};
      const Row next[2] = {one.data(), one.data() + kChunk};
      for (std::size_t k = 0; k < rotated.size(); ++k) {
        rotated[k].range(position, b, k == 0 ? out : next, scratch);
        for (std::size_t p = 0; k > 0 && p < 2; ++p) kernels().add(out[p], out[p], next[p], kChunk, q);
      }
    }
  });
  return divide(context, level, inputs[0]->scale, special_divisor(context, level), sum, parallel);
}

}  // namespace thex::ckks
