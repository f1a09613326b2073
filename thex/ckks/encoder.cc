#include "thex/ckks/encoder.h"

#include <sodium.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>

#include "thex/base/error.h"
#include "thex/ckks/detail/context_constants.h"
#include "thex/ckks/detail/embedding.h"
#include "thex/ckks/detail/residues.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

constexpr std::size_t kMinPeriod = 16;  // the smallest ring of NttTable has 32 coefficients

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::crypto, message); }

// Pool memory as doubles.
double* doubles(ring::Buffer& buffer) { return new (buffer.data()) double[buffer.size()]; }

// Writes `period` values times the factor, repeating those given.
void scale_values(std::span<const double> values, double factor, std::size_t period, double* re, double* im) {
  for (std::size_t begin = 0; begin < period; begin += values.size()) {
    for (std::size_t i = 0; i < values.size(); ++i) re[begin + i] = values[i] * factor;
  }
  std::fill_n(im, period, 0.0);
}

void scale_values(std::span<const std::complex<double>> values, double factor, std::size_t period, double* re,
                  double* im) {
  const auto* const parts = reinterpret_cast<const double*>(values.data());  // as the standard allows
  for (std::size_t begin = 0; begin < period; begin += values.size()) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      re[begin + i] = parts[2 * i] * factor;
      im[begin + i] = parts[2 * i + 1] * factor;
    }
  }
}

void check_arguments(const Context& context, std::size_t period, Level level, double scale) {
  if (!std::has_single_bit(period) || period > context.slots()) {
    fail("encode: " + std::to_string(period) + " values; expected a power of two, 1.." +
         std::to_string(context.slots()));
  }
  context.check_level("encode", level);
  if (!std::isfinite(scale) || scale <= 0) fail("encode: the scale " + std::to_string(scale) + " is not positive");
}

// Rounds the coefficients to integers modulo q; `max_abs` bounds their magnitude.
void write_residues(std::uint64_t* dst, const double* coefficients, double max_abs, std::size_t n,
                    const ring::Modulus& q) {
  if (max_abs < 0x1p51) {
    ring::kernels().residues_of_reals(dst, coefficients, max_abs, n, q);
  } else {
    for (std::size_t i = 0; i < n; ++i) dst[i] = residue_of(std::nearbyint(coefficients[i]), q);
  }
}

// Coefficients of one polynomial from its residues (coefficient domain), centred, as doubles. Balanced mixed radix
// (Garner): x = d_0 + d_1 q_0 + d_2 q_0 q_1 + .. with |d_i| < q_i / 2 is unique and never cancels, so the sum of
// doubles is accurate.
void reconstruct(const Context& context, const ring::Poly& poly, double* dst) {
  const auto& constants = context.constants();
  const std::size_t limbs = poly.limbs(), n = poly.n();
  std::vector<std::int64_t> digit(limbs);
  std::vector<std::vector<std::uint64_t>> q_mod(limbs);  // q_j mod q_i, j < i
  const LimbRange all(0, limbs);
  for (const LimbIndex i : all) {
    for (const LimbIndex j : LimbRange(0, i)) q_mod[i].push_back(context.prime(i).reduce(context.prime(j).value()));
  }
  for (std::size_t c = 0; c < n; ++c) {
    for (const LimbIndex i : all) {
      const ring::Modulus& q = context.prime(i);
      std::uint64_t known = 0;  // the value of the digits below, modulo q_i, by Horner's rule
      for (std::size_t j = i; j-- > 0;) known = q.add(q.mul(known, q_mod[i][j]), q.from_signed(digit[j]));
      const std::uint64_t d = q.mul(q.sub(poly.limb(i)[c], known), constants.garner[i]);
      const std::uint64_t above_half = (q.value() / 2 - d) >> 63;  // no branch: these may be decrypted values
      digit[i] = static_cast<std::int64_t>(d - (q.value() & (0 - above_half)));
    }
    long double value = 0;
    for (std::size_t i = limbs; i-- > 0;) {
      value =
          value * static_cast<long double>(context.prime(LimbIndex(i)).value()) + static_cast<long double>(digit[i]);
    }
    dst[c] = static_cast<double>(value);
  }
}

}  // namespace

Encoder::Encoder(ContextPtr context)
    : context_(std::move(context)), embedding_(std::make_shared<const Embedding>(context_->log_n() - 1)) {}

template <typename Value>
Plaintext Encoder::encode_values(std::span<const Value> values, Level level, double scale, std::size_t special) const {
  const Context& context = *context_;
  check_arguments(context, values.size(), level, scale);
  const std::size_t period = std::max(values.size(), kMinPeriod), n = 2 * period;
  ring::Buffer slots(n), buffer(n);
  for (ring::Buffer* values_of_slots : {&slots, &buffer}) values_of_slots->mark_secret();  // a client's may be
  double* const re = doubles(slots);
  double* const coefficients = doubles(buffer);
  // The period is a power of two, so dividing the scale by it is exact.
  scale_values(values, scale / static_cast<double>(period), period, re, re + period);
  embedding_->scaled_coefficients_from_values(coefficients, coefficients + period, re, re + period, period);

  // Every coefficient depends on every value, so that one infinity or NaN shows in all.
  const double max_abs = ring::kernels().largest_magnitude(coefficients, n);
  if (!std::isfinite(max_abs)) {
    fail("encode: a value (times the scale " + std::to_string(scale) + ") is not finite");
  }
  const double log_q = context.constants().log_q[level.top()];
  if (max_abs >= 1 && std::log2(max_abs) + 1 >= log_q) {
    fail("encode: a coefficient of 2^" + std::to_string(std::log2(max_abs)) + " does not fit the modulus 2^" +
         std::to_string(log_q) + " of level " + to_string(level) + "; use a smaller scale or a higher level");
  }

  Plaintext plaintext{ring::Poly(n, level.limbs()), level, scale, ring::Poly(n, special)};
  const int log_n = std::countr_zero(n);
  const auto write = [&](std::uint64_t* row, LimbIndex index) {
    write_residues(row, coefficients, max_abs, n, context.prime(index));
    ring::kernels().ntt_forward(row, context.small_ntt(index, log_n));
  };
  for (const LimbIndex l : level.primes()) write(plaintext.poly.limb(l), l);
  for (std::size_t k = 0; k < special; ++k) write(plaintext.special.limb(k), context.special_index(k));
  return plaintext;
}

Plaintext Encoder::encode(std::span<const double> values, Level level, double scale) const {
  return encode_values(values, level, scale);
}

Plaintext Encoder::encode_extended(std::span<const double> values, Level level, double scale) const {
  return encode_values(values, level, scale, context_->special_count());
}

Plaintext Encoder::encode_extended(std::span<const std::complex<double>> values, Level level, double scale) const {
  return encode_values(values, level, scale, context_->special_count());
}

Plaintext Encoder::encode(std::span<const std::complex<double>> values, Level level, double scale) const {
  return encode_values(values, level, scale);
}

Plaintext Encoder::encode_full(std::span<const double> values, Level level, double scale) const {
  return full(encode_values(values, level, scale));
}

Plaintext Encoder::encode_full(std::span<const std::complex<double>> values, Level level, double scale) const {
  return full(encode_values(values, level, scale));
}

Plaintext Encoder::full(Plaintext compact) const {
  compact.poly.mark_secret();
  const std::size_t n = context_->n(), run = n / compact.poly.n();
  if (run == 1) return compact;
  Plaintext full{ring::Poly(n, compact.poly.limbs()), compact.level, compact.scale};
  full.poly.mark_secret();
  for (std::size_t l = 0; l < full.poly.limbs(); ++l) {
    for (std::size_t i = 0; i < compact.poly.n(); ++i) {
      std::fill_n(full.poly.limb(l) + i * run, run, compact.poly.limb(l)[i]);
    }
  }
  return full;
}

std::vector<std::complex<double>> Encoder::decode(const Plaintext& plaintext) const {
  const Context& context = *context_;
  const std::size_t n = plaintext.poly.n(), period = n / 2, limbs = plaintext.poly.limbs();
  if (plaintext.level < 0 || plaintext.level > context.max_level() || limbs != plaintext.level.limbs() ||
      !std::has_single_bit(n) || n < 2 * kMinPeriod || n > context.n()) {
    fail("decode: a plaintext of " + std::to_string(limbs) + " limbs of " + std::to_string(n) +
         " coefficients at level " + to_string(plaintext.level) + " does not belong to this context");
  }
  if (!std::isfinite(plaintext.scale) || plaintext.scale <= 0) {
    fail("decode: the scale " + std::to_string(plaintext.scale) + " is not positive");
  }
  ring::Poly poly = plaintext.poly;
  poly.mark_secret();
  const int log_n = std::countr_zero(n);
  for (const LimbIndex l : plaintext.level.primes())
    ring::kernels().ntt_inverse(poly.limb(l), context.small_ntt(l, log_n));
  ring::Buffer coefficients(n), buffer(n);
  for (ring::Buffer* decrypted : {&coefficients, &buffer}) decrypted->mark_secret();
  double* const coefficient = doubles(coefficients);
  double* const re = doubles(buffer);
  double* const im = re + period;
  reconstruct(context, poly, coefficient);
  embedding_->values_from_coefficients(re, im, coefficient, coefficient + period, period);

  std::vector<std::complex<double>> slots(context.slots());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const std::size_t j = i & (period - 1);
    slots[i] = {re[j] / plaintext.scale, im[j] / plaintext.scale};
  }
  return slots;
}

std::vector<double> Encoder::decode_real(const Plaintext& plaintext) const {
  std::vector<std::complex<double>> slots = decode(plaintext);
  std::vector<double> real(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) real[i] = slots[i].real();
  sodium_memzero(slots.data(), slots.size() * sizeof(slots[0]));
  return real;
}

}  // namespace thex::ckks
