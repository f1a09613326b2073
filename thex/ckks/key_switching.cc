// Hybrid key switching (Han and Ki, ePrint 2019/688): digits of alpha primes, raised to all primes, times the key,
// divided by P.
//
// Everything runs prime by prime, so that the rows in flight (one per digit, two sums, one converted row) stay in the
// L2 cache while the keys stream past once.
#include <cstring>
#include <string>

#include "thex/base/error.h"
#include "thex/ckks/checks.h"
#include "thex/ckks/context_constants.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/residues.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

using ring::kernels;
using ring::Poly;
using Row = std::uint64_t*;
using ConstRow = const std::uint64_t*;

// The sources of one base conversion in the coefficient domain: rows x_k (M/m_k)^-1 mod m_k, then the quotient row.
class ConversionSource {
 public:
  ConversionSource(ConversionSource&&) noexcept = default;
  ConversionSource& operator=(ConversionSource&&) noexcept = default;
  // `rows` hold the coefficients of x modulo the sources of `conversion`; they are overwritten and must outlive this
  // object.
  ConversionSource(const Context& context, const BaseConversion& conversion, std::vector<Row> rows)
      : context_(&context), conversion_(&conversion) {
    const std::size_t n = context.n(), count = rows.size();
    if (count > 1) {
      for (std::size_t k = 0; k < count; ++k) {
        kernels().mul_scalar(rows[k], rows[k], conversion.hat_inverse[k], n, context.prime(conversion.sources[k]));
      }
      quotient_ = ring::Buffer(n);
      rounded_quotient(quotient_.data(), rows.data(), conversion.reciprocal.data(), count, n);
    }
    rows_.assign(rows.begin(), rows.end());
    rows_.push_back(quotient_.data());
  }

  // The centred integers modulo prime `target`.
  void convert(Row dst, std::size_t target) const {
    const ring::Modulus& q = context_->prime(target);
    const std::size_t n = context_->n();
    if (rows_.size() == 2) {
      kernels().switch_modulus(dst, rows_[0], context_->prime(conversion_->sources[0]).value(), n, q);
    } else {
      kernels().base_convert(dst, rows_.data(), conversion_->factors[target].data(), rows_.size(), n, q);
    }
  }

 private:
  const Context* context_;
  const BaseConversion* conversion_;
  ring::Buffer quotient_;
  std::vector<ConstRow> rows_;
};

// The digits of one polynomial (NTT domain), computed prime by prime on demand.
class DigitSource {
 public:
  DigitSource(const Context& context, const Poly& c, int level)
      : context_(&context), c_(&c), coefficients_(context.n(), static_cast<std::size_t>(level) + 1) {
    const std::size_t limbs = coefficients_.limbs(), alpha = context.digit_limbs();
    std::memcpy(coefficients_.limb(0), c.limb(0), limbs * context.n() * sizeof(std::uint64_t));
    for (std::size_t i = 0; i < limbs; ++i) kernels().ntt_inverse(coefficients_.limb(i), context.ntt(i));
    for (std::size_t begin = 0; begin < limbs; begin += alpha) {
      const std::size_t count = std::min(alpha, limbs - begin);
      std::vector<Row> rows;
      for (std::size_t k = 0; k < count; ++k) rows.push_back(coefficients_.limb(begin + k));
      digits_.emplace_back(context, context.constants().digit(begin / alpha, count), std::move(rows));
    }
  }

  std::size_t count() const { return digits_.size(); }

  // Digit d modulo prime `index` (chain primes up to the level, or special), NTT domain: either a limb of the input or
  // `scratch`.
  ConstRow row(std::size_t d, std::size_t index, Row scratch) const {
    if (index < c_->limbs() && index / context_->digit_limbs() == d) return c_->limb(index);
    digits_[d].convert(scratch, index);
    kernels().ntt_forward(scratch, context_->ntt(index));
    return scratch;
  }

 private:
  const Context* context_;
  const Poly* c_;
  Poly coefficients_;
  std::vector<ConversionSource> digits_;
};

// For each part p of the result and each chain prime i calls sink(p, i, row, spare): row = P^-1 sum_d digit_d key_p,d
// modulo q_i. Both rows may be overwritten. `digits(position, index, rows)` sets rows[d] for limb `position` (prime
// `index`).
template <typename Digits, typename Sink>
void switch_key(const Context& context, int level, const SwitchingKey& key, Digits&& digits, Sink&& sink) {
  const std::size_t n = context.n(), chain = static_cast<std::size_t>(level) + 1, specials = context.special_count();
  const std::size_t key_chain = static_cast<std::size_t>(key.level) + 1, count = context.digit_count(level);
  const auto& constants = context.constants();
  std::vector<ConstRow> rows(count), key_rows(count);
  // Sums the digits times part p of the key.
  const auto multiply = [&](Row dst, std::size_t p, std::size_t key_position, std::size_t index) {
    const std::vector<Poly>& half = p == 0 ? key.b : key.a;
    for (std::size_t d = 0; d < count; ++d) key_rows[d] = half[d].limb(key_position);
    kernels().inner_product(dst, rows.data(), key_rows.data(), count, n, context.prime(index));
  };

  Poly special[2] = {Poly(n, specials), Poly(n, specials)};
  for (std::size_t j = 0; j < specials; ++j) {
    const std::size_t index = context.spec().q_bits.size() + j;
    digits(chain + j, index, rows);
    for (std::size_t p = 0; p < 2; ++p) {
      multiply(special[p].limb(j), p, key_chain + j, index);
      kernels().ntt_inverse(special[p].limb(j), context.ntt(index));
    }
  }
  std::vector<ConversionSource> remainders;
  for (Poly& part : special) {
    std::vector<Row> special_rows;
    for (std::size_t j = 0; j < specials; ++j) special_rows.push_back(part.limb(j));
    remainders.emplace_back(context, constants.special, std::move(special_rows));
  }

  ring::Buffer sum(n), remainder(n);
  for (std::size_t i = 0; i < chain; ++i) {
    digits(i, i, rows);
    for (std::size_t p = 0; p < 2; ++p) {
      multiply(sum.data(), p, i, i);
      remainders[p].convert(remainder.data(), i);
      kernels().ntt_forward(remainder.data(), context.ntt(i));
      kernels().sub_mul_scalar(sum.data(), sum.data(), remainder.data(), constants.p_inverse[i], n, context.prime(i));
      sink(p, i, sum.data(), remainder.data());
    }
  }
}

// The same with digits computed on the way.
template <typename Sink>
void switch_key(const Context& context, int level, const SwitchingKey& key, const Poly& c, Sink&& sink) {
  const DigitSource source(context, c, level);
  Poly scratch(context.n(), source.count());
  switch_key(
      context, level, key,
      [&](std::size_t, std::size_t index, std::vector<ConstRow>& rows) {
        for (std::size_t d = 0; d < rows.size(); ++d) rows[d] = source.row(d, index, scratch.limb(d));
      },
      sink);
}

void check_key(const char* operation, const Context& context, const SwitchingKey& key, int level) {
  if (key.level < level) {
    throw Error(ErrorCode::keys, std::string(operation) + ": the key is made for level " + std::to_string(key.level) +
                                     ", but the ciphertext is at level " + std::to_string(level));
  }
  const std::size_t digits = context.digit_count(key.level);
  const std::size_t limbs = static_cast<std::size_t>(key.level) + 1 + context.special_count();
  bool good = key.level <= context.max_level() && key.b.size() == digits && key.a.size() == digits;
  for (std::size_t d = 0; good && d < digits; ++d) {
    good = key.b[d].n() == context.n() && key.a[d].n() == context.n() && key.b[d].limbs() == limbs &&
           key.a[d].limbs() == limbs;
  }
  if (!good) throw Error(ErrorCode::keys, std::string(operation) + ": the key was made for other CKKS parameters");
}

// Applies the automorphism to c_0 + switched c_1; sink of switch_key.
struct AutomorphismSink {
  const Context& context;
  const Ciphertext& a;
  const std::vector<std::uint32_t>& permutation;
  Ciphertext& result;

  void operator()(std::size_t p, std::size_t i, Row row, Row) const {
    if (p == 0) kernels().add(row, row, a.parts[0].limb(i), context.n(), context.prime(i));
    kernels().permute(result.parts[p].limb(i), row, permutation.data(), context.n());
  }
};

Ciphertext two_parts(const Context& context, int level, double scale) {
  const std::size_t limbs = static_cast<std::size_t>(level) + 1;
  Ciphertext result;
  result.parts.emplace_back(context.n(), limbs);
  result.parts.emplace_back(context.n(), limbs);
  result.level = level;
  result.scale = scale;
  return result;
}

}  // namespace

Ciphertext Evaluator::relinearize(const Ciphertext& a, const EvaluationKeys& keys) const {
  check_shape("relinearize", *context_, a);
  if (a.parts.size() == 2) return a;
  if (!keys.relinearization) throw Error(ErrorCode::keys, "relinearize: no relinearisation key is present");
  check_key("relinearize", *context_, *keys.relinearization, a.level);
  Ciphertext result = two_parts(*context_, a.level, a.scale);
  switch_key(*context_, a.level, *keys.relinearization, a.parts[2], [&](std::size_t p, std::size_t i, Row row, Row) {
    kernels().add(result.parts[p].limb(i), row, a.parts[p].limb(i), context_->n(), context_->prime(i));
  });
  return result;
}

Ciphertext Evaluator::rotate(const Ciphertext& a, int steps, const EvaluationKeys& keys) const {
  check_shape("rotate", *context_, a, 2, 2);
  const std::uint64_t g = context_->galois_element(steps);
  if (g == 1) return a;
  const SwitchingKey& key = keys.rotation(*context_, steps, a.level);
  check_key("rotate", *context_, key, a.level);
  Ciphertext result = two_parts(*context_, a.level, a.scale);
  switch_key(*context_, a.level, key, a.parts[1], AutomorphismSink{*context_, a, context_->permutation(g), result});
  return result;
}

Ciphertext Evaluator::conjugate(const Ciphertext& a, const EvaluationKeys& keys) const {
  check_shape("conjugate", *context_, a, 2, 2);
  const std::uint64_t g = context_->conjugation_element();
  const auto found = keys.galois.find(g);
  if (found == keys.galois.end()) throw Error(ErrorCode::keys, "conjugate: no conjugation key is present");
  check_key("conjugate", *context_, found->second, a.level);
  Ciphertext result = two_parts(*context_, a.level, a.scale);
  switch_key(*context_, a.level, found->second, a.parts[1],
             AutomorphismSink{*context_, a, context_->permutation(g), result});
  return result;
}

Decomposition Evaluator::decompose(const Ciphertext& a) const {
  check_shape("decompose", *context_, a, 2, 2);
  const Context& context = *context_;
  const std::size_t chain = static_cast<std::size_t>(a.level) + 1, n = context.n();
  const DigitSource source(context, a.parts[1], a.level);
  Decomposition result;
  result.level = a.level;
  for (std::size_t d = 0; d < source.count(); ++d) {
    Poly& digit = result.digits.emplace_back(n, chain + context.special_count());
    for (std::size_t position = 0; position < digit.limbs(); ++position) {
      const Row row = digit.limb(position);
      const ConstRow values = source.row(d, limb_prime(context, a.level, position), row);
      if (values != row) std::memcpy(row, values, n * sizeof(std::uint64_t));
    }
  }
  return result;
}

Ciphertext Evaluator::rotate_hoisted(const Ciphertext& a, const Decomposition& digits, int steps,
                                     const EvaluationKeys& keys) const {
  check_shape("rotate_hoisted", *context_, a, 2, 2);
  const std::size_t limbs = static_cast<std::size_t>(a.level) + 1 + context_->special_count();
  bool good = digits.level == a.level && digits.digits.size() == context_->digit_count(a.level);
  for (const Poly& digit : digits.digits) good = good && digit.n() == context_->n() && digit.limbs() == limbs;
  if (!good) {
    refuse("rotate_hoisted", "a decomposition of " + std::to_string(digits.digits.size()) + " digits at level " +
                                 std::to_string(digits.level) + " for a ciphertext at level " +
                                 std::to_string(a.level));
  }
  const std::uint64_t g = context_->galois_element(steps);
  if (g == 1) return a;
  const SwitchingKey& key = keys.rotation(*context_, steps, a.level);
  check_key("rotate_hoisted", *context_, key, a.level);
  Ciphertext result = two_parts(*context_, a.level, a.scale);
  switch_key(
      *context_, a.level, key,
      [&](std::size_t position, std::size_t, std::vector<ConstRow>& rows) {
        for (std::size_t d = 0; d < rows.size(); ++d) rows[d] = digits.digits[d].limb(position);
      },
      AutomorphismSink{*context_, a, context_->permutation(g), result});
  return result;
}

}  // namespace thex::ckks
