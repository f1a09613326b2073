// The avx2 table: unpacks the classes of the public headers into plain data for the files compiled with AVX2 and FMA.
#include "thex/ring/avx2.h"
#include "thex/ring/kernel_tables.h"
#include "thex/ring/ntt.h"

namespace thex::ring {
namespace {

using u64 = std::uint64_t;

avx2::SumData unpack_sum(const Modulus& q) { return {.q = q.value(), .two50 = q.pow(2, 50), .two75 = q.pow(2, 75)}; }

void ntt_forward(u64* a, const NttTable& table) {
  avx2::ntt_forward(
      a, {.q = table.modulus().value(), .n = table.n(), .roots = table.roots(), .n_inverse = 0, .last_root = 0});
}

void ntt_inverse(u64* a, const NttTable& table) {
  avx2::ntt_inverse(a, {.q = table.modulus().value(),
                        .n = table.n(),
                        .roots = table.inverse_roots(),
                        .n_inverse = table.n_inverse(),
                        .last_root = table.last_inverse_root()});
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
  avx2::inner_product(dst, a, b, count, 1, n, unpack_sum(q));
}

void inner_product_runs(u64* dst, const u64* const* a, const u64* const* b, std::size_t count, std::size_t run,
                        std::size_t n, const Modulus& q) {
  avx2::inner_product(dst, a, b, count, run, n, unpack_sum(q));
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

void base_convert(u64* dst, const u64* const* src, const u64* factors, std::size_t count, std::size_t n,
                  const Modulus& q) {
  avx2::base_convert(dst, src, factors, count, n, unpack_sum(q));
}

}  // namespace

const Kernels kAvx2Kernels = {
    .isa = Isa::avx2,
    .name = "avx2",
    .ntt_forward = ntt_forward,
    .ntt_inverse = ntt_inverse,
    .add = add,
    .sub = sub,
    .neg = neg,
    .mul = mul,
    .mul_scalar = mul_scalar,
    .sub_mul_scalar = sub_mul_scalar,
    .inner_product = inner_product,
    .inner_product_runs = inner_product_runs,
    .add_runs = add_runs,
    .permute = permute,
    .switch_modulus = switch_modulus,
    .base_convert = base_convert,
};

}  // namespace thex::ring
