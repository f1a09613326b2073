// Internal: what the file compiled for AVX2 and FMA offers to avx2_table.cc. Plain data only, for the reason in
// avx512ifma.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "thex/ring/fft.h"

namespace thex::ring::avx2 {

struct NttData {
  std::uint64_t q;
  std::size_t n;                       // at least 32
  const std::uint64_t* roots;          // of the wanted direction, as in ntt.h
  std::uint64_t n_inverse, last_root;  // the inverse only: the factors of its last stage, times a constant
};

void ntt_forward(std::uint64_t* a, const NttData& data);
void ntt_inverse(std::uint64_t* dst, const std::uint64_t* a, const NttData& data);

// (minuend - NTT(b)) * w; where `src` is given, b is the residues modulo p there, centred, and the memory of b is free.
struct DivideData {
  std::uint64_t* dst;
  const std::uint64_t* minuend;
  std::uint64_t w;
  const std::uint64_t* src;
  std::uint64_t p;
};
void divide_transformed(std::uint64_t* b, const NttData& data, const DivideData& division);

void add(std::uint64_t* dst, const std::uint64_t* a, const std::uint64_t* b, std::size_t n, std::uint64_t q);
void sub(std::uint64_t* dst, const std::uint64_t* a, const std::uint64_t* b, std::size_t n, std::uint64_t q);
void neg(std::uint64_t* dst, const std::uint64_t* a, std::size_t n, std::uint64_t q);
void mul(std::uint64_t* dst, const std::uint64_t* a, const std::uint64_t* b, std::size_t n, std::uint64_t q);
void mul_scalar(std::uint64_t* dst, const std::uint64_t* a, std::uint64_t w, std::size_t n, std::uint64_t q);
void sub_mul_scalar(std::uint64_t* dst, const std::uint64_t* a, const std::uint64_t* b, std::uint64_t w, std::size_t n,
                    std::uint64_t q);
void switch_modulus(std::uint64_t* dst, const std::uint64_t* src, std::uint64_t p, std::size_t n, std::uint64_t q);

// run is a power of two; 1 is the plain inner product.
void inner_product(std::uint64_t* dst, const std::uint64_t* const* a, const std::uint64_t* const* b, std::size_t count,
                   std::size_t run, std::size_t n, std::uint64_t q);

constexpr std::size_t kMaxConversionSources = 64;
void base_convert(std::uint64_t* const* dst, const std::uint64_t* const* src, const std::uint64_t* const* factors,
                  const std::uint64_t* q, std::size_t targets, std::size_t count, std::size_t n);
void rounded_quotient(std::uint64_t* dst, const std::uint64_t* const* src, const double* reciprocal, std::size_t count,
                      std::size_t n);

void fft_inverse(double* dst_re, double* dst_im, double* re, double* im, std::size_t h, const FftTables& tables);
void fft_forward(double* dst_re, double* dst_im, const double* re, const double* im, std::size_t h,
                 const FftTables& tables);
double largest_magnitude(const double* src, std::size_t n);
// below_q: every rounded value is below q in size.
void residues_of_reals(std::uint64_t* dst, const double* src, bool below_q, std::size_t n, std::uint64_t q);

}  // namespace thex::ring::avx2
