// The avx512ifma table: unpacks the classes of the public headers into plain data for the files compiled with AVX-512.
#include <algorithm>
#include <array>

#include "thex/ring/ntt.h"
#include "thex/ring/simd/avx512ifma.h"
#include "thex/ring/simd/kernel_tables.h"

namespace thex::ring {
namespace {

using u64 = std::uint64_t;

ifma::ModulusData unpack(const Modulus& q) {
  const Uint128 reciprocal = (static_cast<Uint128>(q.barrett_hi()) << 64) | q.barrett_lo();  // floor(2^128 / q)
  return {.q = q.value(),
          .bits = q.bits(),
          .reciprocal = static_cast<u64>(reciprocal >> 76),
          .quotient = static_cast<u64>(reciprocal >> (77 - q.bits()))};
}

ifma::Factor factor(u64 w, const Modulus& q) { return {w, q.shoup(w) >> 12}; }

ifma::SumData unpack_sum(const Modulus& q) {
  const u64 two52 = q.reduce(u64{1} << 52);
  return {.modulus = unpack(q), .two52 = factor(two52, q), .two104 = factor(q.mul(two52, two52), q)};
}

ifma::NttData unpack_forward(const NttTable& table) {
  return {.modulus = unpack(table.modulus()),
          .n = table.n(),
          .roots = table.roots(),
          .quotients = table.roots_shoup52(),
          .minus_quotients = table.roots_minus_shoup52(),
          .leaf_constants = nullptr,
          .leaf_twists = nullptr,
          .scales = nullptr,
          .n_inverse = {},
          .last_root = {}};
}

void ntt_forward(u64* a, const NttTable& table) {
  if (table.n() < 64) return kPortableKernels.ntt_forward(a, table);
  ifma::ntt_forward(a, unpack_forward(table));
}

void ntt_inverse(u64* a, const NttTable& table) {
  if (table.n() < 64) return kPortableKernels.ntt_inverse(a, table);
  ifma::ntt_inverse(a, {.modulus = unpack(table.modulus()),
                        .n = table.n(),
                        .roots = table.inverse_roots(),
                        .quotients = table.inverse_roots_shoup52(),
                        .minus_quotients = nullptr,
                        .leaf_constants = table.lazy_inverse().leaf_constants(),
                        .leaf_twists = table.lazy_inverse().leaf_twists(),
                        .scales = table.lazy_inverse().scales(),
                        .n_inverse = {table.n_inverse(), table.n_inverse_shoup64() >> 12},
                        .last_root = {table.last_inverse_root(), table.last_inverse_root_shoup64() >> 12}});
}

void mul_scalar(u64* dst, const u64* a, u64 w, std::size_t n, const Modulus& q) {
  ifma::mul_scalar(dst, a, factor(w, q), n, q.value());
}

void ntt_inverse_scaled(u64* dst, const u64* a, u64 w, const NttTable& table) {
  mul_scalar(dst, a, w, table.n(), table.modulus());
  ntt_inverse(dst, table);
}

void add(u64* dst, const u64* a, const u64* b, std::size_t n, const Modulus& q) { ifma::add(dst, a, b, n, q.value()); }
void sub(u64* dst, const u64* a, const u64* b, std::size_t n, const Modulus& q) { ifma::sub(dst, a, b, n, q.value()); }
void neg(u64* dst, const u64* a, std::size_t n, const Modulus& q) { ifma::neg(dst, a, n, q.value()); }
void mul(u64* dst, const u64* a, const u64* b, std::size_t n, const Modulus& q) { ifma::mul(dst, a, b, n, unpack(q)); }

void sub_mul_scalar(u64* dst, const u64* a, const u64* b, u64 w, std::size_t n, const Modulus& q) {
  ifma::sub_mul_scalar(dst, a, b, factor(w, q), n, q.value());
}

void inner_product(u64* dst, const u64* const* a, const u64* const* b, std::size_t count, std::size_t n,
                   const Modulus& q) {
  ifma::inner_product(dst, a, b, count, 1, n, unpack_sum(q));
}

void inner_product_runs(u64* dst, const u64* const* a, const u64* const* b, std::size_t count, std::size_t run,
                        std::size_t n, const Modulus& q) {
  ifma::inner_product(dst, a, b, count, run, n, unpack_sum(q));
}

void inner_products_runs(u64* const* dst, const u64* const* a, const u64* const* const* b, std::size_t outputs,
                         std::size_t count, std::size_t run, std::size_t n, const Modulus& q) {
  ifma::inner_products(dst, a, b, outputs, count, run, n, unpack_sum(q));
}

void add_runs(u64* dst, const u64* acc, const u64* a, std::size_t run, std::size_t n, const Modulus& q) {
  ifma::add_runs(dst, acc, a, run, n, q.value());
}

void switch_modulus(u64* dst, const u64* src, u64 p, std::size_t n, const Modulus& q) {
  ifma::switch_modulus(dst, src, p, q.neg(q.reduce(p)), n, unpack(q));
}

void divide_transformed(u64* dst, const u64* a, u64* b, u64 w, const NttTable& table) {
  const Modulus& q = table.modulus();
  if (table.n() < 128) {
    ntt_forward(b, table);
    return sub_mul_scalar(dst, a, b, w, table.n(), q);
  }
  ifma::divide_transformed(b, unpack_forward(table),
                           {.dst = dst,
                            .minuend = a,
                            .stream = false,
                            .minus_w = factor(q.neg(w), q),
                            .src = nullptr,
                            .half_p = 0,
                            .minus_p = 0});
}

void divide_switched(u64* dst, const u64* a, const u64* b, u64 p, u64 w, const NttTable& table, u64* scratch,
                     bool stream) {
  const Modulus& q = table.modulus();
  if (table.n() < 128) {
    switch_modulus(scratch, b, p, table.n(), q);
    return divide_transformed(dst, a, scratch, w, table);
  }
  ifma::divide_transformed(scratch, unpack_forward(table),
                           {.dst = dst,
                            .minuend = a,
                            .stream = stream,
                            .minus_w = factor(q.neg(w), q),
                            .src = b,
                            .half_p = p / 2,
                            .minus_p = q.neg(q.reduce(p))});
}

void base_convert(u64* const* dst, const u64* const* src, const u64* const* factors, const Modulus* const* q,
                  std::size_t targets, std::size_t count, std::size_t n) {
  constexpr std::size_t kGroup = 16;
  static_assert(kMaxConversionSources == ifma::kMaxConversionSources);
  std::array<ifma::SumData, kGroup> data;
  for (std::size_t begin = 0; begin < targets; begin += kGroup) {
    const std::size_t group = std::min(kGroup, targets - begin);
    for (std::size_t t = 0; t < group; ++t) data[t] = unpack_sum(*q[begin + t]);
    ifma::base_convert(dst + begin, src, factors + begin, data.data(), group, count, n);
  }
}

// The transforms on vectors need a square of them.
void fft_inverse(double* dst_re, double* dst_im, double* re, double* im, std::size_t h, const FftTables& tables) {
  (h < 64 ? portable::fft_inverse : ifma::fft_inverse)(dst_re, dst_im, re, im, h, tables);
}

void fft_forward(double* dst_re, double* dst_im, const double* re, const double* im, std::size_t h,
                 const FftTables& tables) {
  (h < 64 ? portable::fft_forward : ifma::fft_forward)(dst_re, dst_im, re, im, h, tables);
}

void residues_of_reals(u64* dst, const double* src, double max_abs, std::size_t n, const Modulus& q) {
  ifma::residues_of_reals(dst, src, max_abs + 1 < static_cast<double>(q.value()), n, q.value());
}

}  // namespace

const Kernels kAvx512IfmaKernels = {
    .isa = Isa::avx512ifma,
    .name = "avx512ifma",
    .ntt_forward = ntt_forward,
    .ntt_inverse = ntt_inverse,
    .ntt_inverse_scaled = ntt_inverse_scaled,
    .divide_transformed = divide_transformed,
    .divide_switched = divide_switched,
    .add = add,
    .sub = sub,
    .neg = neg,
    .mul = mul,
    .mul_scalar = mul_scalar,
    .sub_mul_scalar = sub_mul_scalar,
    .inner_product = inner_product,
    .inner_product_runs = inner_product_runs,
    .inner_products_runs = inner_products_runs,
    .add_runs = add_runs,
    .permute = ifma::permute,
    .switch_modulus = switch_modulus,
    .base_convert = base_convert,
    .rounded_quotient = ifma::rounded_quotient,
    .fft_inverse = fft_inverse,
    .fft_forward = fft_forward,
    .largest_magnitude = ifma::largest_magnitude,
    .residues_of_reals = residues_of_reals,
};

}  // namespace thex::ring
