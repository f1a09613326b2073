// Precomputed constants of base conversion, rescaling, ModDown and decoding, and the context's caches. Internal to
// ckks.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <vector>

#include "thex/ckks/context.h"

namespace thex::ckks {

// From residues modulo m_0 .. m_{s-1} (product M) to residues modulo another prime t:
//   x = sum_k x_k (M/m_k)^-1 (M/m_k) - v M,   v = round(sum_k [x_k (M/m_k)^-1]_{m_k} / m_k)
// (Halevi, Polyakov, Shoup 2018): exact and centred in (-M/2, M/2] up to rounding ties, which are harmless.
struct BaseConversion {
  std::vector<LimbIndex> sources;          // prime indices of m_k
  std::vector<std::uint64_t> hat_inverse;  // (M/m_k)^-1 mod m_k
  std::vector<double> reciprocal;          // 1 / m_k
  // By target prime index: M/m_k mod t for each k, then -M mod t, the factor of v. Empty for the sources themselves and
  // where no conversion is ever wanted.
  std::vector<std::vector<std::uint64_t>> factors;
};

BaseConversion make_base_conversion(const Context& context, std::vector<LimbIndex> sources,
                                    std::span<const LimbIndex> targets);

struct Context::Constants {
  // digits[d][s - 1]: digit d when only its first s primes are present (the last digit of a low level is short).
  std::vector<std::vector<BaseConversion>> digits;
  BaseConversion special;                              // special primes -> chain primes
  std::vector<BaseConversion> last;                    // [l]: q_l -> q_0 .. q_{l-1}; l >= 1
  std::vector<BaseConversion> special_and;             // [l]: special primes and q_l -> q_0 .. q_{l-1}; l >= 1
  std::vector<std::vector<std::uint64_t>> pq_inverse;  // [l][i] = (P q_l)^-1 mod q_i, i < l
  std::vector<std::uint64_t> p;                        // P mod q_i
  std::vector<std::uint64_t> p_inverse;                // P^-1 mod q_i
  std::vector<std::vector<std::uint64_t>> q_inverse;   // [l][i] = q_l^-1 mod q_i, i < l
  std::vector<std::uint64_t> garner;                   // (q_0 .. q_{i-1})^-1 mod q_i
  std::vector<double> log_q;                           // log2(q_0 .. q_l)

  // Filled on first use; entries never move or change afterwards.
  mutable std::shared_mutex permutations_mutex;
  mutable std::map<std::uint64_t, std::vector<std::uint32_t>> permutations;
  mutable std::mutex tables_mutex;
  mutable std::vector<std::unique_ptr<const ring::NttTable>> tables;  // in the order of their first use
  mutable std::shared_mutex small_tables_mutex;
  mutable std::map<std::pair<LimbIndex, int>, std::unique_ptr<const ring::NttTable>> small_tables;

  const BaseConversion& digit(std::size_t d, std::size_t limbs) const { return digits[d][limbs - 1]; }
};

// Fills the constants from the primes of `context`.
void fill_constants(const Context& context, Context::Constants& constants);

}  // namespace thex::ckks
