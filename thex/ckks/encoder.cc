#include "thex/ckks/encoder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>

#include "thex/base/error.h"
#include "thex/ckks/context_constants.h"
#include "thex/ckks/embedding.h"
#include "thex/ckks/residues.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

constexpr std::size_t kMinPeriod = 16;  // the smallest ring of NttTable has 32 coefficients

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::crypto, message); }

// Pool memory as doubles.
double* doubles(ring::Buffer& buffer) { return new (buffer.data()) double[buffer.size()]; }

double real_of(double value) { return value; }
double imag_of(double) { return 0; }
double real_of(const std::complex<double>& value) { return value.real(); }
double imag_of(const std::complex<double>& value) { return value.imag(); }

void check_arguments(const Context& context, std::size_t period, int level, double scale) {
  if (!std::has_single_bit(period) || period > context.slots()) {
    fail("encode: " + std::to_string(period) + " values; expected a power of two, 1.." +
         std::to_string(context.slots()));
  }
  if (level < 0 || level > context.max_level()) {
    fail("encode: level " + std::to_string(level) + " is outside 0.." + std::to_string(context.max_level()));
  }
  if (!std::isfinite(scale) || scale <= 0) fail("encode: the scale " + std::to_string(scale) + " is not positive");
}

// Rounds the coefficients and writes them modulo q_0 .. q_level; `max_abs` bounds their magnitude.
void write_residues(const Context& context, const double* coefficients, double max_abs, ring::Poly& poly) {
  const std::size_t n = poly.n();
  if (max_abs < 0x1p62) {
    ring::Buffer integers(n);
    auto* const rounded = reinterpret_cast<std::int64_t*>(integers.data());
    if (max_abs < 0x1p51) {
      // Adding 1.5 * 2^52 leaves the rounded integer in the low bits.
      for (std::size_t i = 0; i < n; ++i) {
        rounded[i] = std::bit_cast<std::int64_t>(coefficients[i] + 0x1.8p52) - std::bit_cast<std::int64_t>(0x1.8p52);
      }
    } else {
      for (std::size_t i = 0; i < n; ++i) rounded[i] = std::llrint(coefficients[i]);
    }
    const auto bound = static_cast<std::uint64_t>(std::llrint(max_abs)) + 1;
    for (std::size_t l = 0; l < poly.limbs(); ++l) {
      residues_of(poly.limb(l), rounded, n, bound, context.prime(l));
    }
  } else {
    for (std::size_t l = 0; l < poly.limbs(); ++l) {
      for (std::size_t i = 0; i < n; ++i)
        poly.limb(l)[i] = residue_of(std::nearbyint(coefficients[i]), context.prime(l));
    }
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
  for (std::size_t i = 0; i < limbs; ++i) {
    for (std::size_t j = 0; j < i; ++j) q_mod[i].push_back(context.prime(i).reduce(context.prime(j).value()));
  }
  for (std::size_t c = 0; c < n; ++c) {
    for (std::size_t i = 0; i < limbs; ++i) {
      const ring::Modulus& q = context.prime(i);
      std::uint64_t known = 0;  // the value of the digits below, modulo q_i, by Horner's rule
      for (std::size_t j = i; j-- > 0;) known = q.add(q.mul(known, q_mod[i][j]), q.from_signed(digit[j]));
      const std::uint64_t d = q.mul(q.sub(poly.limb(i)[c], known), constants.garner[i]);
      digit[i] = d > q.value() / 2 ? static_cast<std::int64_t>(d) - static_cast<std::int64_t>(q.value())
                                   : static_cast<std::int64_t>(d);
    }
    long double value = 0;
    for (std::size_t i = limbs; i-- > 0;) {
      value = value * static_cast<long double>(context.prime(i).value()) + static_cast<long double>(digit[i]);
    }
    dst[c] = static_cast<double>(value);
  }
}

}  // namespace

Encoder::Encoder(ContextPtr context)
    : context_(std::move(context)), embedding_(std::make_shared<const Embedding>(context_->log_n() - 1)) {}

template <typename Value>
Plaintext Encoder::encode_values(std::span<const Value> values, int level, double scale) const {
  const Context& context = *context_;
  check_arguments(context, values.size(), level, scale);
  const std::size_t period = std::max(values.size(), kMinPeriod), n = 2 * period;
  ring::Buffer buffer(n);
  double* const coefficients = doubles(buffer);
  double* const imaginary = coefficients + period;
  double checksum = 0;  // 0 unless a value is infinite or not a number
  for (std::size_t i = 0; i < period; ++i) {
    const Value& value = values[i & (values.size() - 1)];
    coefficients[i] = real_of(value) * scale;
    imaginary[i] = imag_of(value) * scale;
    checksum += coefficients[i] * 0 + imaginary[i] * 0;
  }
  if (checksum != 0) fail("encode: a value (times the scale " + std::to_string(scale) + ") is not finite");
  embedding_->coefficients_from_values(coefficients, imaginary, period);

  double max_abs = 0;
  for (std::size_t i = 0; i < n; ++i) max_abs = std::max(max_abs, std::abs(coefficients[i]));
  const double log_q = context.constants().log_q[static_cast<std::size_t>(level)];
  if (max_abs >= 1 && std::log2(max_abs) + 1 >= log_q) {
    fail("encode: a coefficient of 2^" + std::to_string(std::log2(max_abs)) + " does not fit the modulus 2^" +
         std::to_string(log_q) + " of level " + std::to_string(level) + "; use a smaller scale or a higher level");
  }

  Plaintext plaintext{ring::Poly(n, static_cast<std::size_t>(level) + 1), level, scale};
  write_residues(context, coefficients, max_abs, plaintext.poly);
  const int log_n = std::countr_zero(n);
  for (std::size_t l = 0; l < plaintext.poly.limbs(); ++l) {
    ring::kernels().ntt_forward(plaintext.poly.limb(l), context.small_ntt(l, log_n));
  }
  return plaintext;
}

Plaintext Encoder::encode(std::span<const double> values, int level, double scale) const {
  return encode_values(values, level, scale);
}

Plaintext Encoder::encode(std::span<const std::complex<double>> values, int level, double scale) const {
  return encode_values(values, level, scale);
}

Plaintext Encoder::encode_full(std::span<const double> values, int level, double scale) const {
  Plaintext compact = encode_values(values, level, scale);
  const std::size_t n = context_->n(), run = n / compact.poly.n();
  if (run == 1) return compact;
  Plaintext full{ring::Poly(n, compact.poly.limbs()), level, scale};
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
  if (plaintext.level < 0 || plaintext.level > context.max_level() ||
      limbs != static_cast<std::size_t>(plaintext.level) + 1 || !std::has_single_bit(n) || n < 2 * kMinPeriod ||
      n > context.n()) {
    fail("decode: a plaintext of " + std::to_string(limbs) + " limbs of " + std::to_string(n) +
         " coefficients at level " + std::to_string(plaintext.level) + " does not belong to this context");
  }
  if (!std::isfinite(plaintext.scale) || plaintext.scale <= 0) {
    fail("decode: the scale " + std::to_string(plaintext.scale) + " is not positive");
  }
  ring::Poly poly = plaintext.poly;
  const int log_n = std::countr_zero(n);
  for (std::size_t l = 0; l < limbs; ++l) ring::kernels().ntt_inverse(poly.limb(l), context.small_ntt(l, log_n));
  ring::Buffer buffer(n);
  double* const re = doubles(buffer);
  double* const im = re + period;
  reconstruct(context, poly, re);
  poly.wipe();
  embedding_->values_from_coefficients(re, im, period);

  std::vector<std::complex<double>> slots(context.slots());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const std::size_t j = i & (period - 1);
    slots[i] = {re[j] / plaintext.scale, im[j] / plaintext.scale};
  }
  buffer.wipe();
  return slots;
}

std::vector<double> Encoder::decode_real(const Plaintext& plaintext) const {
  const std::vector<std::complex<double>> slots = decode(plaintext);
  std::vector<double> real(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) real[i] = slots[i].real();
  return real;
}

}  // namespace thex::ckks
