// One kernel, chosen with its length, modulus and values by a string of bytes, computed by two tables: they must agree.
// The transforms of encoding, on reals, are compared with extended precision in ckks/detail/embedding_test.cc instead.
// Used by kernels_fuzz.cc with the fuzzer's bytes and by a unit test with seeded random ones.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "tests/support/aligned_reals.h"
#include "thex/base/error.h"
#include "thex/ring/kernels.h"
#include "thex/ring/memory_pool.h"
#include "thex/ring/ntt.h"

namespace thex::support {

// Reads numbers off the bytes; zeros when they are used up.
class Choices {
 public:
  explicit Choices(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  std::uint64_t number(std::size_t width) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width && !bytes_.empty(); ++i, bytes_ = bytes_.subspan(1)) {
      value |= std::uint64_t{bytes_.front()} << (8 * i);
    }
    return value;
  }
  std::size_t below(std::size_t bound) { return number(2) % bound; }
  bool empty() const { return bytes_.empty(); }

 private:
  std::span<const std::uint8_t> bytes_;
};

// A prime of any size that ring::Modulus takes.
inline std::uint64_t some_prime(Choices& choices) {
  const int bits = 2 + static_cast<int>(choices.below(ring::kMaxPrimeBits - 1));
  const std::uint64_t low = std::uint64_t{1} << (bits - 1), high = std::uint64_t{1} << bits;
  const std::size_t where = choices.below(4);  // the smallest or the largest of the size, or one in between
  const std::uint64_t start = where == 0 ? low : where == 1 ? high - 1 : low + choices.number(7) % low;
  std::uint64_t candidate = std::max<std::uint64_t>(start | 1, 3);
  while (!ring::is_prime(candidate))
    candidate = where == 1 ? candidate - 2 : candidate + 2 < high ? candidate + 2 : low | 1;
  return candidate;
}

// Values in [0, bound): random, extreme, or with the bytes' own numbers among them.
inline ring::Buffer values(Choices& choices, std::size_t n, std::uint64_t bound) {
  ring::Buffer buffer(n);
  const std::size_t kind = choices.below(6);
  std::mt19937_64 rng(choices.number(4));
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t random = rng();
    switch (kind) {
      case 0:
        buffer.data()[i] = 0;
        break;
      case 1:
        buffer.data()[i] = bound - 1;
        break;
      case 2:
        buffer.data()[i] = random & 1 ? bound - 1 : 0;
        break;
      case 3: {  // near an end or the middle
        const std::uint64_t offset = random / 4 % std::min<std::uint64_t>(bound, 4);
        buffer.data()[i] = random % 4 == 0   ? offset
                           : random % 4 == 1 ? bound - 1 - offset
                                             : (bound / 2 + offset) % bound;
        break;
      }
      default:
        buffer.data()[i] = random % bound;
    }
  }
  for (std::size_t count = choices.below(8); count != 0 && !choices.empty(); --count) {
    const std::size_t at = choices.below(n);
    buffer.data()[at] = choices.number(7) % bound;
  }
  return buffer;
}

// Tables of the NTT are expensive: a few dozen are kept.
inline const ring::NttTable* some_table(Choices& choices) {
  // Larger rings are rarer, they take longer.
  static constexpr int kSizes[] = {5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 12, 13, 14};
  const int log_n = kSizes[choices.below(std::size(kSizes))];
  const int bits =
      log_n + 3 + static_cast<int>(choices.below(static_cast<std::size_t>(ring::kMaxPrimeBits - log_n - 2)));
  const std::size_t which = choices.below(3);
  static std::map<std::tuple<int, int, std::size_t>, std::unique_ptr<ring::NttTable>> tables;
  const auto key = std::tuple(log_n, bits, which);
  if (const auto found = tables.find(key); found != tables.end()) return found->second.get();
  std::unique_ptr<ring::NttTable> table;
  try {
    table = std::make_unique<ring::NttTable>(ring::Modulus(ring::ntt_primes(bits, log_n, which + 1).back()), log_n);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::crypto) throw;  // there are not so many primes of this size
  }
  if (tables.size() >= 64) tables.clear();
  return tables.emplace(key, std::move(table)).first->second.get();
}

// What the two tables computed.
class Results {
 public:
  Results(const char* kernel, const ring::Modulus& q, std::size_t n)
      : kernel_(kernel), q_(q), n_(n), tested_(n), oracle_(n) {}
  std::uint64_t* tested() { return tested_.data(); }
  std::uint64_t* oracle() { return oracle_.data(); }
  void start_from(const ring::Buffer& values) { tested_ = oracle_ = values; }

  // Empty when they agree and are canonical.
  std::string check(const std::string& details = "") const {
    for (std::size_t i = 0; i < n_; ++i) {
      const std::uint64_t ours = tested_.data()[i], expected = oracle_.data()[i];
      if (ours != expected || expected >= q_.value()) {
        return std::string(kernel_) + details + ", q = " + std::to_string(q_.value()) + ", n = " + std::to_string(n_) +
               ": value " + std::to_string(i) + " is " + std::to_string(ours) + ", the oracle has " +
               std::to_string(expected);
      }
    }
    return "";
  }

 private:
  const char* kernel_;
  ring::Modulus q_;
  std::size_t n_;
  ring::Buffer tested_, oracle_;
};

// Several targets at a time, each with a prime of its own.
inline std::string conversion_difference(const ring::Kernels& tested, const ring::Kernels& oracle, Choices& choices,
                                         std::size_t count, std::size_t n) {
  const std::size_t targets = 1 + choices.below(7), distinct = std::min<std::size_t>(count, 6);
  std::vector<ring::Buffer> sources;
  for (std::size_t k = 0; k < distinct; ++k) {
    sources.push_back(values(choices, n, std::uint64_t{1} << ring::kMaxPrimeBits));
  }
  std::vector<const std::uint64_t*> src;
  for (std::size_t k = 0; k < count; ++k) src.push_back(sources[k % distinct].data());
  std::vector<ring::Modulus> primes;
  std::vector<ring::Buffer> factors;
  for (std::size_t t = 0; t < targets; ++t) {
    primes.emplace_back(some_prime(choices));
    factors.push_back(values(choices, count, primes[t].value()));
  }
  std::vector<Results> results;
  std::vector<std::uint64_t*> ours, expected;
  std::vector<const std::uint64_t*> rows;
  std::vector<const ring::Modulus*> moduli;
  for (std::size_t t = 0; t < targets; ++t) results.emplace_back("base_convert", primes[t], n);
  for (std::size_t t = 0; t < targets; ++t) {
    ours.push_back(results[t].tested());
    expected.push_back(results[t].oracle());
    rows.push_back(factors[t].data());
    moduli.push_back(&primes[t]);
  }
  tested.base_convert(ours.data(), src.data(), rows.data(), moduli.data(), targets, count, n);
  oracle.base_convert(expected.data(), src.data(), rows.data(), moduli.data(), targets, count, n);
  for (std::size_t t = 0; t < targets; ++t) {
    const std::string found = results[t].check(", count " + std::to_string(count) + ", target " + std::to_string(t) +
                                               " of " + std::to_string(targets));
    if (!found.empty()) return found;
  }
  return "";
}

// Rounded sums of products with reciprocals: a sum near a half may be rounded either way, by at most one.
inline std::string quotient_difference(const ring::Kernels& tested, const ring::Kernels& oracle, Choices& choices,
                                       std::size_t n) {
  const std::size_t count = 1 + choices.below(12);
  std::vector<ring::Buffer> sources;
  std::vector<const std::uint64_t*> src;
  std::vector<double> reciprocal;
  for (std::size_t k = 0; k < count; ++k) {
    const std::uint64_t prime = some_prime(choices);
    sources.push_back(values(choices, n, prime));
    reciprocal.push_back(1 / static_cast<double>(prime));
  }
  for (const ring::Buffer& source : sources) src.push_back(source.data());
  ring::Buffer ours(n), expected(n);
  tested.rounded_quotient(ours.data(), src.data(), reciprocal.data(), count, n);
  oracle.rounded_quotient(expected.data(), src.data(), reciprocal.data(), count, n);
  for (std::size_t i = 0; i < n; ++i) {
    long double exact = 0;
    for (std::size_t k = 0; k < count; ++k) exact += static_cast<long double>(src[k][i]) * reciprocal[k];
    for (const std::uint64_t quotient : {ours.data()[i], expected.data()[i]}) {
      if (std::abs(static_cast<long double>(quotient) - exact) > 0.5L + 0x1p-44L) {
        return "rounded_quotient, count " + std::to_string(count) + ": value " + std::to_string(i) + " is " +
               std::to_string(ours.data()[i]) + " and " + std::to_string(expected.data()[i]) + " for " +
               std::to_string(static_cast<double>(exact));
      }
    }
  }
  return "";
}

// Reals of either sign up to a bound: their residues, or the largest of them.
inline std::string real_difference(const ring::Kernels& tested, const ring::Kernels& oracle, Choices& choices,
                                   bool residues, const ring::Modulus& q, std::size_t n) {
  const double bound = std::ldexp(1.0, static_cast<int>(choices.below(51)));
  const ring::Buffer integers = values(choices, n, std::uint64_t{1} << 51), signs = values(choices, n, 4);
  const AlignedReals reals(n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t way = signs.data()[i];
    reals.data[i] = bound * (static_cast<double>(integers.data()[i]) * 0x1p-51);
    if (way & 1) reals.data[i] = std::floor(reals.data[i]) + 0.5;  // a tie, where doubles still have them
    reals.data[i] = std::min(reals.data[i], bound);
    if (way & 2) reals.data[i] = -reals.data[i];
  }
  if (!residues) {
    const double ours = tested.largest_magnitude(reals.data, n), expected = oracle.largest_magnitude(reals.data, n);
    if (ours == expected) return "";
    return "largest_magnitude is " + std::to_string(ours) + ", the oracle has " + std::to_string(expected);
  }
  Results results("residues_of_reals", q, n);
  tested.residues_of_reals(results.tested(), reals.data, bound, n, q);
  oracle.residues_of_reals(results.oracle(), reals.data, bound, n, q);
  return results.check(", bound " + std::to_string(bound));
}

// A transform alone, or with what it is fused with: a constant, or one limb of a division.
inline std::string transform_difference(const ring::Kernels& tested, const ring::Kernels& oracle, Choices& choices,
                                        bool forward, const ring::NttTable& table) {
  const ring::Modulus& q = table.modulus();
  const std::size_t n = table.n(), variant = choices.below(4);
  const ring::Buffer input = values(choices, n, q.value());
  const std::uint64_t w = choices.number(7) % q.value();
  const bool in_place = choices.below(2) == 1;
  if (!forward) {
    Results results(variant == 0 ? "ntt_inverse_scaled" : "ntt_inverse", q, n);
    results.start_from(input);
    const auto compute = [&](const ring::Kernels& k, std::uint64_t* dst) {
      if (variant != 0) return k.ntt_inverse(dst, table);
      k.ntt_inverse_scaled(dst, in_place ? dst : input.data(), w, table);
    };
    compute(tested, results.tested());
    compute(oracle, results.oracle());
    return results.check();
  }
  if (variant > 1) {
    Results results("ntt_forward", q, n);
    results.start_from(input);
    tested.ntt_forward(results.tested(), table);
    oracle.ntt_forward(results.oracle(), table);
    return results.check();
  }
  const std::uint64_t p = some_prime(choices);
  const ring::Buffer remainder = values(choices, n, variant == 0 ? q.value() : p);
  Results results(variant == 0 ? "divide_transformed" : "divide_switched", q, n);
  results.start_from(input);
  const auto compute = [&](const ring::Kernels& k, std::uint64_t* dst) {
    ring::Buffer spare = remainder;
    const std::uint64_t* const minuend = in_place ? dst : input.data();
    if (variant == 0) return k.divide_transformed(dst, minuend, spare.data(), w, table);
    k.divide_switched(dst, minuend, remainder.data(), p, w, table, spare.data(), false);
  };
  compute(tested, results.tested());
  compute(oracle, results.oracle());
  return results.check(in_place ? " in place" : "");
}

// Empty when `tested` and `oracle` agree on the computation that the bytes describe; else what differs.
inline std::string kernel_difference(const ring::Kernels& tested, const ring::Kernels& oracle,
                                     std::span<const std::uint8_t> bytes) {
  Choices choices(bytes);
  const std::size_t kernel = choices.below(18);
  if (kernel == 12 || kernel == 13) {
    const ring::NttTable* const table = some_table(choices);
    if (table == nullptr) return "";
    return transform_difference(tested, oracle, choices, kernel == 12, *table);
  }

  const ring::Modulus q(some_prime(choices));
  const std::size_t n = 64 * (1 + choices.below(40));
  const bool in_place = choices.below(2) == 1;
  const auto elementwise = [&](const char* name, auto&& compute) {
    const ring::Buffer a = values(choices, n, q.value()), b = values(choices, n, q.value());
    const std::uint64_t w = choices.number(7) % q.value();
    Results results(name, q, n);
    results.start_from(a);
    compute(tested, results.tested(), in_place ? results.tested() : a.data(), b.data(), w);
    compute(oracle, results.oracle(), a.data(), b.data(), w);
    return results.check(in_place ? " in place" : "");
  };
  using u64 = std::uint64_t;
  using K = const ring::Kernels&;
  switch (kernel) {
    case 0:
      return elementwise("add", [&](K k, u64* d, const u64* a, const u64* b, u64) { k.add(d, a, b, n, q); });
    case 1:
      return elementwise("sub", [&](K k, u64* d, const u64* a, const u64* b, u64) { k.sub(d, a, b, n, q); });
    case 2:
      return elementwise("neg", [&](K k, u64* d, const u64* a, const u64*, u64) { k.neg(d, a, n, q); });
    case 3:
      return elementwise("mul", [&](K k, u64* d, const u64* a, const u64* b, u64) { k.mul(d, a, b, n, q); });
    case 4:
      return elementwise("mul_scalar",
                         [&](K k, u64* d, const u64* a, const u64*, u64 w) { k.mul_scalar(d, a, w, n, q); });
    case 5:
      return elementwise("sub_mul_scalar",
                         [&](K k, u64* d, const u64* a, const u64* b, u64 w) { k.sub_mul_scalar(d, a, b, w, n, q); });
    case 6: {
      const std::size_t run = std::size_t{1} << choices.below(static_cast<std::size_t>(std::countr_zero(n)) + 1);
      const ring::Buffer a = values(choices, n, q.value()), b = values(choices, n / run, q.value());
      Results results("add_runs", q, n);
      tested.add_runs(results.tested(), a.data(), b.data(), run, n, q);
      oracle.add_runs(results.oracle(), a.data(), b.data(), run, n, q);
      return results.check(", run " + std::to_string(run));
    }
    case 7: {
      const ring::Buffer a = values(choices, n, q.value());
      std::mt19937_64 rng(choices.number(4));
      std::vector<std::uint32_t> index(n);
      for (std::uint32_t& i : index) i = static_cast<std::uint32_t>(rng() % n);
      Results results("permute", q, n);
      tested.permute(results.tested(), a.data(), index.data(), n);
      oracle.permute(results.oracle(), a.data(), index.data(), n);
      return results.check();
    }
    case 8: {
      const std::uint64_t p = some_prime(choices);
      const ring::Buffer a = values(choices, n, p);
      Results results("switch_modulus", q, n);
      tested.switch_modulus(results.tested(), a.data(), p, n, q);
      oracle.switch_modulus(results.oracle(), a.data(), p, n, q);
      return results.check(" from " + std::to_string(p));
    }
    default:
      break;
  }
  if (kernel == 15 || kernel == 16) return real_difference(tested, oracle, choices, kernel == 15, q, n);
  // The kernels that sum products. Their first factors repeat, so that a thousand terms stay cheap.
  if (kernel == 14) return quotient_difference(tested, oracle, choices, n);
  static constexpr std::size_t kCounts[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 200, 1024};
  const std::size_t count = kCounts[choices.below(std::size(kCounts))], distinct = std::min<std::size_t>(count, 6);
  if (kernel == 11)
    return conversion_difference(tested, oracle, choices, std::min(count, ring::kMaxConversionSources), n);
  const std::size_t run = kernel == 10 || kernel == 17
                              ? std::size_t{1} << choices.below(static_cast<std::size_t>(std::countr_zero(n)) + 1)
                              : 1;
  std::vector<ring::Buffer> a, b;
  for (std::size_t k = 0; k < distinct; ++k) {
    a.push_back(values(choices, n, q.value()));
    b.push_back(values(choices, n / run, q.value()));
  }
  std::vector<const std::uint64_t*> pa, pb;
  for (std::size_t k = 0; k < count; ++k) {
    pa.push_back(a[k % distinct].data());
    pb.push_back(b[k % distinct].data());
  }
  const std::vector<const std::uint64_t*> reversed(pb.rbegin(), pb.rend());
  const std::size_t several = kernel == 17 ? choices.below(4) : 0;
  const auto sum = [&](const ring::Kernels& k, std::uint64_t* dst) {
    if (kernel == 9) k.inner_product(dst, pa.data(), pb.data(), count, n, q);
    if (kernel == 10) k.inner_product_runs(dst, pa.data(), pb.data(), count, run, n, q);
    if (kernel == 17) {  // several sums; the last one, of the factors in their order, is compared
      std::vector<ring::Buffer> others;
      std::vector<std::uint64_t*> outputs;
      for (std::size_t o = 0; o < several; ++o) outputs.push_back(others.emplace_back(n).data());
      outputs.push_back(dst);
      std::vector<const std::uint64_t* const*> factors(several, reversed.data());
      factors.push_back(pb.data());
      k.inner_products_runs(outputs.data(), pa.data(), factors.data(), outputs.size(), count, run, n, q);
    }
  };
  Results results(kernel == 9 ? "inner_product" : kernel == 10 ? "inner_product_runs" : "inner_products_runs", q, n);
  sum(tested, results.tested());
  sum(oracle, results.oracle());
  return results.check(", count " + std::to_string(count) + ", run " + std::to_string(run));
}

}  // namespace thex::support
