// Sums of any number of products of rows. Internal to ckks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "thex/ring/kernels.h"
#include "thex/ring/memory_pool.h"

namespace thex::ckks {

inline constexpr std::size_t kMaxTerms = 1024;  // of one Kernels::inner_product call

// dst = sum of a[k] * b[k], where each stored value of b[k] stands for `run` equal ones.
inline void sum_of_products(std::uint64_t* dst, std::span<const std::uint64_t* const> a,
                            std::span<const std::uint64_t* const> b, std::size_t run, std::size_t n,
                            const ring::Modulus& q) {
  const auto& kernels = ring::kernels();
  ring::Buffer partial(a.size() > kMaxTerms ? n : 0);
  for (std::size_t begin = 0; begin < a.size(); begin += kMaxTerms) {
    const std::size_t count = std::min(kMaxTerms, a.size() - begin);
    std::uint64_t* const out = begin == 0 ? dst : partial.data();
    if (run == 1) {
      kernels.inner_product(out, a.data() + begin, b.data() + begin, count, n, q);
    } else {
      kernels.inner_product_runs(out, a.data() + begin, b.data() + begin, count, run, n, q);
    }
    if (begin != 0) kernels.add(dst, dst, out, n, q);
  }
}

// dst[o] = sum of a[k] * b[o][k]: several sums of the same rows.
inline void sums_of_products(std::span<std::uint64_t* const> dst, std::span<const std::uint64_t* const> a,
                             std::span<const std::uint64_t* const* const> b, std::size_t run, std::size_t n,
                             const ring::Modulus& q) {
  if (run > 1 && a.size() <= kMaxTerms) {
    return ring::kernels().inner_products_runs(dst.data(), a.data(), b.data(), dst.size(), a.size(), run, n, q);
  }
  for (std::size_t o = 0; o < dst.size(); ++o) sum_of_products(dst[o], a, std::span(b[o], a.size()), run, n, q);
}

}  // namespace thex::ckks
