// The inner loops, behind one table per instruction set, chosen once at start-up.
//
// THEX_ISA=avx512ifma|avx2|portable forces a table (an unknown name or one that the processor lacks is Error(usage)).
// Every pointer is 64-byte aligned (memory_pool.h) and n is a multiple of 64 unless stated; dst may equal an input.
// Residue ranges: inputs and outputs are canonical, [0, q), for every kernel here: lazy ranges stay inside a kernel.
#pragma once

#include <cstddef>
#include <cstdint>

#include "thex/ring/fft.h"
#include "thex/ring/modulus.h"

namespace thex::ring {

class NttTable;

inline constexpr std::size_t kMaxConversionSources = 64;

enum class Isa { portable, avx2, avx512ifma };

struct Kernels {
  Isa isa;
  const char* name;

  // Negacyclic NTT modulo X^N + 1, natural order -> bit-reversed order, in place: a[i] becomes a(psi^(2*brv(i)+1)).
  void (*ntt_forward)(std::uint64_t* a, const NttTable& table);
  // Its inverse, bit-reversed order -> natural order, including the factor 1/N.
  void (*ntt_inverse)(std::uint64_t* a, const NttTable& table);
  // dst = the inverse NTT of a, times w in [0, q): what base conversion starts from. dst may be a.
  void (*ntt_inverse_scaled)(std::uint64_t* dst, const std::uint64_t* a, std::uint64_t w, const NttTable& table);
  // dst = (a - NTT(b)) * w: one limb of a division by a prime or by several (w their inverse), with a in the NTT domain
  // and the remainder b among the coefficients. Destroys b; dst may be a or b.
  void (*divide_transformed)(std::uint64_t* dst, const std::uint64_t* a, std::uint64_t* b, std::uint64_t w,
                             const NttTable& table);
  // The same with the remainder given modulo p, b in [0, p), and taken centred as by switch_modulus: one limb of
  // rescaling by p. Keeps b; scratch holds n words; dst may be a. `stream` says that dst had better not displace what
  // the caches hold: a result of many limbs is not there any more when it is read.
  void (*divide_switched)(std::uint64_t* dst, const std::uint64_t* a, const std::uint64_t* b, std::uint64_t p,
                          std::uint64_t w, const NttTable& table, std::uint64_t* scratch, bool stream);

  void (*add)(std::uint64_t* dst, const std::uint64_t* a, const std::uint64_t* b, std::size_t n, const Modulus& q);
  void (*sub)(std::uint64_t* dst, const std::uint64_t* a, const std::uint64_t* b, std::size_t n, const Modulus& q);
  void (*neg)(std::uint64_t* dst, const std::uint64_t* a, std::size_t n, const Modulus& q);
  void (*mul)(std::uint64_t* dst, const std::uint64_t* a, const std::uint64_t* b, std::size_t n, const Modulus& q);
  // dst = a * w for one constant w in [0, q).
  void (*mul_scalar)(std::uint64_t* dst, const std::uint64_t* a, std::uint64_t w, std::size_t n, const Modulus& q);
  // dst = (a - b) * w: the last step of rescale and ModDown.
  void (*sub_mul_scalar)(std::uint64_t* dst, const std::uint64_t* a, const std::uint64_t* b, std::uint64_t w,
                         std::size_t n, const Modulus& q);
  // dst = sum over k < count of a[k] * b[k], products accumulated lazily and reduced once. count <= 1024.
  void (*inner_product)(std::uint64_t* dst, const std::uint64_t* const* a, const std::uint64_t* const* b,
                        std::size_t count, std::size_t n, const Modulus& q);
  // The same with compact second factors: b[k] holds n / run values, each standing for `run` equal ones
  // (run a power of two >= 1; periodic plaintexts, see ckks/ciphertext.h).
  void (*inner_product_runs)(std::uint64_t* dst, const std::uint64_t* const* a, const std::uint64_t* const* b,
                             std::size_t count, std::size_t run, std::size_t n, const Modulus& q);
  // dst[o] = sum over k < count of a[k] * b[o][k] for o < outputs, second factors compact as above: several sums of the
  // same first factors, which are then read once.
  void (*inner_products_runs)(std::uint64_t* const* dst, const std::uint64_t* const* a,
                              const std::uint64_t* const* const* b, std::size_t outputs, std::size_t count,
                              std::size_t run, std::size_t n, const Modulus& q);
  // dst[i] = a[i / run] + acc[i]: adds a compact polynomial.
  void (*add_runs)(std::uint64_t* dst, const std::uint64_t* acc, const std::uint64_t* a, std::size_t run, std::size_t n,
                   const Modulus& q);
  // dst[i] = src[index[i]] (dst != src): an automorphism as a permutation of the NTT domain.
  void (*permute)(std::uint64_t* dst, const std::uint64_t* src, const std::uint32_t* index, std::size_t n);
  // Residues modulo p (in [0, p)) -> the same integers, centred in (-p/2, p/2], modulo q: changes one limb's modulus.
  void (*switch_modulus)(std::uint64_t* dst, const std::uint64_t* src, std::uint64_t p, std::size_t n,
                         const Modulus& q);
  // Base conversion: dst[t][i] = sum over k < count of src[k][i] * factors[t][k] mod q[t] for t < targets, with
  // src[k][i] in [0, 2^50), factors[t][k] in [0, q[t]). count <= kMaxConversionSources. Several targets at a time read
  // the sources once.
  void (*base_convert)(std::uint64_t* const* dst, const std::uint64_t* const* src, const std::uint64_t* const* factors,
                       const Modulus* const* q, std::size_t targets, std::size_t count, std::size_t n);
  // dst[i] = round(sum over k < count of src[k][i] * reciprocal[k]), src < 2^50, the sum in [0, 2^50): what exact base
  // conversion takes off. Sums are formed in double precision, so a sum near a half may round either way.
  void (*rounded_quotient)(std::uint64_t* dst, const std::uint64_t* const* src, const double* reciprocal,
                           std::size_t count, std::size_t n);

  // The complex transform of CKKS encoding (ckks/detail/embedding.h), split into real and imaginary parts: h points,
  // any power of two that the tables reach. Values -> coefficients times h; `re` and `im` are scratch afterwards.
  void (*fft_inverse)(double* dst_re, double* dst_im, double* re, double* im, std::size_t h, const FftTables& tables);
  // Coefficients -> values.
  void (*fft_forward)(double* dst_re, double* dst_im, const double* re, const double* im, std::size_t h,
                      const FftTables& tables);
  // max |src[i]| (n a multiple of 32); infinite or not a number when one of them is.
  double (*largest_magnitude)(const double* src, std::size_t n);
  // dst[i] = the integer nearest to src[i] (ties to even), modulo q. |src[i]| <= max_abs < 2^51; n a multiple of 8.
  void (*residues_of_reals)(std::uint64_t* dst, const double* src, double max_abs, std::size_t n, const Modulus& q);
};

// The table chosen for this process.
const Kernels& kernels();
// A particular table, or nullptr when this processor cannot run it: for tests and benchmarks.
const Kernels* kernels_for(Isa isa);

}  // namespace thex::ring
