#include "thex/ckks/detail/prime_chain.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "thex/base/error.h"
#include "thex/ring/modulus.h"

namespace thex::ckks {
namespace {

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::crypto, "CKKS parameters: " + message); }

void check_bits(const std::vector<int>& bits, const char* name, int log_n) {
  if (bits.empty()) fail(std::string(name) + " is empty; at least one prime is needed");
  for (std::size_t i = 0; i < bits.size(); ++i) {
    if (bits[i] < log_n + 2 || bits[i] > ring::kMaxPrimeBits) {
      fail(std::string(name) + "[" + std::to_string(i) + "] = " + std::to_string(bits[i]) + " bits; primes have " +
           std::to_string(log_n + 2) + ".." + std::to_string(ring::kMaxPrimeBits) + " bits here");
    }
  }
}

void check_ranges(const ContextSpec& spec) {
  if (spec.log_n < 12 || spec.log_n > 16) {
    fail("log_n = " + std::to_string(spec.log_n) + "; supported are 12..16");
  }
  check_bits(spec.q_bits, "q_bits", spec.log_n);
  check_bits(spec.p_bits, "p_bits", spec.log_n);
  if (spec.digit_limbs < 1 || spec.digit_limbs > spec.q_bits.size()) {
    fail("digit_limbs = " + std::to_string(spec.digit_limbs) + "; expected 1.." + std::to_string(spec.q_bits.size()) +
         ", the number of chain primes");
  }
  // Before searching primes: even the nominal size cannot exceed the table by much.
  long long nominal = 0;
  for (const int b : spec.q_bits) nominal += b;
  for (const int b : spec.p_bits) nominal += b;
  if (nominal > max_log_qp_128(spec.log_n) + 1) {
    fail("log2(QP) = " + std::to_string(nominal) + " exceeds " + std::to_string(max_log_qp_128(spec.log_n)) +
         ", the 128-bit limit for N = 2^" + std::to_string(spec.log_n) +
         "; use fewer or smaller primes, or a larger ring");
  }
}

std::vector<int> nominal_scales(const ContextSpec& spec) {
  std::vector<int> t(spec.q_bits.size());
  t.back() = spec.log_scale;
  for (std::size_t l = t.size(); l-- > 0;) {
    const int value = t[l];
    if (value < 10 || value > 100) {
      fail("the scale of level " + std::to_string(l) + " would be 2^" + std::to_string(value) + " (log_scale = " +
           std::to_string(spec.log_scale) + "); choose q_bits near log_scale so that every scale is 2^10..2^100");
    }
    if (l > 0) t[l - 1] = l == 1 && spec.wide_q1 ? value : 2 * value - spec.q_bits[l];
  }
  if (spec.wide_q1 && (t.size() < 2 || spec.q_bits[1] < t[1]))
    fail("q_1 is to be larger than the scale of level 1" +
         (t.size() < 2 ? std::string(", and there is none")
                       : ", 2^" + std::to_string(t[1]) + ", and has " + std::to_string(spec.q_bits[1]) + " bits"));
  if (t[0] >= spec.q_bits[0]) {
    fail("the scale of level 0 would be 2^" + std::to_string(t[0]) + ", but q_0 has " + std::to_string(spec.q_bits[0]) +
         " bits; q_0 must exceed the scale by the size of the values");
  }
  return t;
}

// Primes of one size that are not taken yet, in ascending order.
class PrimeSupply {
 public:
  PrimeSupply(const ContextSpec& spec) : log_n_(spec.log_n) {
    for (const int b : spec.q_bits) ++needed_[b];
    for (const int b : spec.p_bits) ++needed_[b];
  }

  // Removes and returns the prime of `bits` nearest to `target`.
  std::uint64_t take_nearest(int bits, double target) {
    auto& list = pool(bits);
    const auto best = std::min_element(list.begin(), list.end(), [&](std::uint64_t a, std::uint64_t b) {
      return std::abs(static_cast<double>(a) - target) < std::abs(static_cast<double>(b) - target);
    });
    return take(list, best);
  }

  std::uint64_t take_largest(int bits) {
    auto& list = pool(bits);
    return take(list, list.end() - 1);
  }

 private:
  std::uint64_t take(std::vector<std::uint64_t>& list, std::vector<std::uint64_t>::iterator at) {
    const std::uint64_t q = *at;
    list.erase(at);
    taken_.push_back(q);
    return q;
  }

  std::vector<std::uint64_t>& pool(int bits) {
    auto& list = pools_[bits];
    if (list.empty()) {
      // A pool of neighbouring size can reach into this one, so what is taken is excluded.
      const std::size_t need = needed_[bits];
      try {
        list = ring::ntt_primes(bits, log_n_, 2 * need + 16, taken_);
      } catch (const Error&) {
        list = ring::ntt_primes(bits, log_n_, need, taken_);
      }
      std::sort(list.begin(), list.end());
    } else {
      std::erase_if(list, [&](std::uint64_t q) { return std::find(taken_.begin(), taken_.end(), q) != taken_.end(); });
      if (list.empty()) fail("not enough primes of " + std::to_string(bits) + " bits");
    }
    return list;
  }

  int log_n_;
  std::map<int, std::size_t> needed_;
  std::map<int, std::vector<std::uint64_t>> pools_;
  std::vector<std::uint64_t> taken_;
};

}  // namespace

PrimeChain choose_primes(const ContextSpec& spec) {
  check_ranges(spec);
  const std::vector<int> nominal = nominal_scales(spec);
  PrimeSupply supply(spec);
  PrimeChain chain;
  for (const int bits : spec.p_bits) chain.p.push_back(supply.take_largest(bits));
  const std::size_t count = spec.q_bits.size();
  chain.q.resize(count);
  chain.scales.resize(count);
  chain.scales.back() = std::ldexp(1.0, spec.log_scale);
  for (std::size_t l = count - 1; l > 0; --l) {
    if (l == 1 && spec.wide_q1) {
      chain.q[1] = supply.take_nearest(spec.q_bits[1], std::ldexp(1.0, spec.q_bits[1]));
      chain.scales[0] = chain.scales[1];
      break;
    }
    const double product = chain.scales[l] * chain.scales[l];
    chain.q[l] = supply.take_nearest(spec.q_bits[l], std::ldexp(product, -nominal[l - 1]));
    chain.scales[l - 1] = product / static_cast<double>(chain.q[l]);
  }
  chain.q[0] = supply.take_nearest(spec.q_bits[0], std::ldexp(1.0, spec.q_bits[0]));
  return chain;
}

}  // namespace thex::ckks
