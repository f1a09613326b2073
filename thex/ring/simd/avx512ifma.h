// Internal: what the files compiled for AVX-512 IFMA offer to avx512ifma_table.cc, which is compiled for any processor.
//
// Plain data only. Those files must not see inline functions of shared headers: the linker may keep any one copy of
// such a function, and a copy made of AVX-512 instructions would then run on processors that lack them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "thex/ring/fft.h"

namespace thex::ring::ifma {

struct ModulusData {
  std::uint64_t q;
  int bits;                  // q < 2^bits
  std::uint64_t reciprocal;  // floor(2^52 / q)
  std::uint64_t quotient;    // floor(2^(bits + 51) / q), for reducing products
};

// A constant factor w with its Shoup quotient floor(w * 2^52 / q).
struct Factor {
  std::uint64_t value, quotient;
};

struct NttData {
  ModulusData modulus;
  std::size_t n;                           // 64..65536
  const std::uint64_t *roots, *quotients;  // of the wanted direction, as in ntt.h; 52-bit quotients
  const std::uint64_t* minus_quotients;    // their first n / 8 negated; forward only
  // As in ntt_lazy_inverse.h, or null; inverse only.
  const std::uint64_t *leaf_constants, *leaf_twists, *scales;
  Factor n_inverse, last_root;  // used by the inverse only
};

void ntt_forward(std::uint64_t* a, const NttData& data);
void ntt_inverse(std::uint64_t* a, const NttData& data);

// dst = (minuend - NTT(a)) * w, for n >= 128; a is destroyed. Unless src is null the transform is
// that of src instead, residues modulo p taken centred and modulo q, and a is only memory.
struct DivideData {
  std::uint64_t* dst;
  const std::uint64_t* minuend;
  bool stream;  // write dst past the caches
  Factor minus_w;
  const std::uint64_t* src;
  std::uint64_t half_p, minus_p;  // floor(p / 2) and -p mod q
};
void divide_transformed(std::uint64_t* a, const NttData& data, const DivideData& divide);
void ntt_inverse_lazy(std::uint64_t* a, const NttData& data);

constexpr std::uint64_t kLazyLimit = (std::uint64_t{1} << 53) / 127;  // the largest q of the lazy transforms
constexpr std::uint64_t kLeafLift = 14;                               // see ntt_inverse_lazy_avx512ifma.cc

void add(std::uint64_t* dst, const std::uint64_t* a, const std::uint64_t* b, std::size_t n, std::uint64_t q);
void sub(std::uint64_t* dst, const std::uint64_t* a, const std::uint64_t* b, std::size_t n, std::uint64_t q);
void neg(std::uint64_t* dst, const std::uint64_t* a, std::size_t n, std::uint64_t q);
void mul(std::uint64_t* dst, const std::uint64_t* a, const std::uint64_t* b, std::size_t n, const ModulusData& q);
void mul_scalar(std::uint64_t* dst, const std::uint64_t* a, Factor w, std::size_t n, std::uint64_t q);
void sub_mul_scalar(std::uint64_t* dst, const std::uint64_t* a, const std::uint64_t* b, Factor w, std::size_t n,
                    std::uint64_t q);

// Constants that fold the high words of a sum of products: 2^52 mod q and 2^104 mod q.
struct SumData {
  ModulusData modulus;
  Factor two52, two104;
};
// run is a power of two; 1 is the plain inner product.
void inner_product(std::uint64_t* dst, const std::uint64_t* const* a, const std::uint64_t* const* b, std::size_t count,
                   std::size_t run, std::size_t n, const SumData& q);

// Several sums of the same first factors.
void inner_products(std::uint64_t* const* dst, const std::uint64_t* const* a, const std::uint64_t* const* const* b,
                    std::size_t outputs, std::size_t count, std::size_t run, std::size_t n, const SumData& q);

constexpr std::size_t kMaxConversionSources = 64;
void base_convert(std::uint64_t* const* dst, const std::uint64_t* const* src, const std::uint64_t* const* factors,
                  const SumData* q, std::size_t targets, std::size_t count, std::size_t n);
void rounded_quotient(std::uint64_t* dst, const std::uint64_t* const* src, const double* reciprocal, std::size_t count,
                      std::size_t n);

void add_runs(std::uint64_t* dst, const std::uint64_t* acc, const std::uint64_t* a, std::size_t run, std::size_t n,
              std::uint64_t q);
void permute(std::uint64_t* dst, const std::uint64_t* src, const std::uint32_t* index, std::size_t n);
// minus_p = -p mod q.
void switch_modulus(std::uint64_t* dst, const std::uint64_t* src, std::uint64_t p, std::uint64_t minus_p, std::size_t n,
                    const ModulusData& q);

void fft_inverse(double* dst_re, double* dst_im, double* re, double* im, std::size_t h, const FftTables& tables);
void fft_forward(double* dst_re, double* dst_im, const double* re, const double* im, std::size_t h,
                 const FftTables& tables);
double largest_magnitude(const double* src, std::size_t n);
// below_q: every rounded value is below q in size.
void residues_of_reals(std::uint64_t* dst, const double* src, bool below_q, std::size_t n, std::uint64_t q);

}  // namespace thex::ring::ifma
