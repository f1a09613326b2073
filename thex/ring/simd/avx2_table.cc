// The avx2 table: unpacks the classes of the public headers into plain data for the files compiled with AVX2 and FMA.
#include <algorithm>
#include <array>

#include "thex/ring/ntt.h"
#include "thex/ring/simd/avx2.h"
#include "thex/ring/simd/kernel_tables.h"

namespace thex::ring {
namespace {

using u64 = std::uint64_t;

avx2::NttData unpack_forward(const NttTable& table) {
  return {.q = table.modulus().value(), .n = table.n(), .roots = table.roots(), .n_inverse = 0, .last_root = 0};
}

void ntt_forward(u64* a, const NttTable& table) { avx2::ntt_forward(a, unpack_forward(table)); }

void ntt_inverse(u64* a, const NttTable& table) {
  avx2::ntt_inverse(a, a,
                    {.q = table.modulus().value(),
                     .n = table.n(),
                     .roots = table.inverse_roots(),
                     .n_inverse = table.n_inverse(),
                     .last_root = table.last_inverse_root()});
}

void ntt_inverse_scaled(u64* dst, const u64* a, u64 w, const NttTable& table) {
  const Modulus& q = table.modulus();
  avx2::ntt_inverse(dst, a,
                    {.q = q.value(),
                     .n = table.n(),
                     .roots = table.inverse_roots(),
                     .n_inverse = q.mul(table.n_inverse(), w),
                     .last_root = q.mul(table.last_inverse_root(), w)});
}

void add(u64* dst, const u64* a, const u64* b, std::size_t n, const Modulus& q) { avx2::add(dst, a, b, n, q.value()); }
void sub(u64* dst, const u64* a, const u64* b, std::size_t n, const Modulus& q) { avx2::sub(dst, a, b, n, q.value()); }
void neg(u64* dst, const u64* a, std::size_t n, const Modulus& q) { avx2::neg(dst, a, n, q.value()); }
void mul(u64* dst, const u64* a, const u64* b, std::size_t n, const Modulus& q) { avx2::mul(dst, a, b, n, q.value()); }

void mul_scalar(u64* dst, const u64* a, u64 w, std::size_t n, const Modulus& q) {
  avx2::mul_scalar(dst, a, w, n, q.value());
}

void sub_mul_scalar(u64* dst, const u64* a, const u64* b, u64 w, std::size_t n, const Modulus& q) {
  avx2::sub_mul_scalar(dst, a, b, w, n, q.value());
}

void inner_product(u64* dst, const u64* const* a, const u64* const* b, std::size_t count, std::size_t n,
                   const Modulus& q) {
  avx2::inner_product(dst, a, b, count, 1, n, q.value());
}

void inner_product_runs(u64* dst, const u64* const* a, const u64* const* b, std::size_t count, std::size_t run,
                        std::size_t n, const Modulus& q) {
  avx2::inner_product(dst, a, b, count, run, n, q.value());
}

void inner_products_runs(u64* const* dst, const u64* const* a, const u64* const* const* b, std::size_t outputs,
                         std::size_t count, std::size_t run, std::size_t n, const Modulus& q) {
  for (std::size_t o = 0; o < outputs; ++o) inner_product_runs(dst[o], a, b[o], count, run, n, q);
}

// Bound by memory or by single loads: the plain loops are as good.
void add_runs(u64* dst, const u64* acc, const u64* a, std::size_t run, std::size_t n, const Modulus& q) {
  kPortableKernels.add_runs(dst, acc, a, run, n, q);
}

void permute(u64* dst, const u64* src, const std::uint32_t* index, std::size_t n) {
  kPortableKernels.permute(dst, src, index, n);
}

void switch_modulus(u64* dst, const u64* src, u64 p, std::size_t n, const Modulus& q) {
  avx2::switch_modulus(dst, src, p, n, q.value());
}

void base_convert(u64* const* dst, const u64* const* src, const u64* const* factors, const Modulus* const* q,
                  std::size_t targets, std::size_t count, std::size_t n) {
  constexpr std::size_t kGroup = 16;
  static_assert(kMaxConversionSources == avx2::kMaxConversionSources);
  std::array<u64, kGroup> moduli;
  for (std::size_t begin = 0; begin < targets; begin += kGroup) {
    const std::size_t group = std::min(kGroup, targets - begin);
    for (std::size_t t = 0; t < group; ++t) moduli[t] = q[begin + t]->value();
    avx2::base_convert(dst + begin, src, factors + begin, moduli.data(), group, count, n);
  }
}

// The transforms on vectors need a square of them.
void fft_inverse(double* dst_re, double* dst_im, double* re, double* im, std::size_t h, const FftTables& tables) {
  (h < 16 ? portable::fft_inverse : avx2::fft_inverse)(dst_re, dst_im, re, im, h, tables);
}

void fft_forward(double* dst_re, double* dst_im, const double* re, const double* im, std::size_t h,
                 const FftTables& tables) {
  (h < 16 ? portable::fft_forward : avx2::fft_forward)(dst_re, dst_im, re, im, h, tables);
}

void residues_of_reals(u64* dst, const double* src, double max_abs, std::size_t n, const Modulus& q) {
  avx2::residues_of_reals(dst, src, max_abs + 1 < static_cast<double>(q.value()), n, q.value());
}

void divide_transformed(u64* dst, const u64* a, u64* b, u64 w, const NttTable& table) {
  avx2::divide_transformed(b, unpack_forward(table), {.dst = dst, .minuend = a, .w = w, .src = nullptr, .p = 0});
}

void divide_switched(u64* dst, const u64* a, const u64* b, u64 p, u64 w, const NttTable& table, u64* scratch, bool) {
  avx2::divide_transformed(scratch, unpack_forward(table), {.dst = dst, .minuend = a, .w = w, .src = b, .p = p});
}

}  // namespace

const Kernels kAvx2Kernels = {
    .isa = Isa::avx2,
    .name = "avx2",
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
    .permute = permute,
    .switch_modulus = switch_modulus,
    .base_convert = base_convert,
    .rounded_quotient = avx2::rounded_quotient,
    .fft_inverse = fft_inverse,
    .fft_forward = fft_forward,
    .largest_magnitude = avx2::largest_magnitude,
    .residues_of_reals = residues_of_reals,
};

}  // namespace thex::ring
