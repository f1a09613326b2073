#include "thex/model/dense.h"

#include <algorithm>
#include <cstddef>

namespace thex::model {
namespace {

constexpr std::size_t kRows = 8;  // rows of x in one block: two AVX vectors of doubles
constexpr std::size_t kOuts = 4;  // rows of the weight in one block

// One block of kRows x kOuts sums: `xt` is a block of x, transposed (in x kRows), so that the innermost loop is a
// vector.
[[gnu::always_inline]] inline void block_sums(const double* xt, const float* const* weights, std::size_t in,
                                              double (&sums)[kOuts][kRows]) {
  double acc[kOuts][kRows] = {};
  for (std::size_t k = 0; k < in; ++k) {
    for (std::size_t o = 0; o < kOuts; ++o) {
      const double w = weights[o][k];
      for (std::size_t r = 0; r < kRows; ++r) acc[o][r] += w * xt[k * kRows + r];
    }
  }
  for (std::size_t o = 0; o < kOuts; ++o) std::copy_n(acc[o], kRows, sums[o]);
}

void block_sums_portable(const double* xt, const float* const* weights, std::size_t in, double (&sums)[kOuts][kRows]) {
  block_sums(xt, weights, in, sums);
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void block_sums_avx2(const double* xt, const float* const* weights, std::size_t in,
                                                 double (&sums)[kOuts][kRows]) {
  block_sums(xt, weights, in, sums);
}
#endif

auto choose_kernel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return block_sums_avx2;
#endif
  return block_sums_portable;
}

}  // namespace

std::vector<double> dense(std::span<const double> x, std::span<const float> weight, std::span<const float> bias) {
  const std::size_t out = bias.size(), in = weight.size() / out, rows = x.size() / in;
  const auto kernel = choose_kernel();
  std::vector<double> y(rows * out), xt(in * kRows);
  for (std::size_t r0 = 0; r0 < rows; r0 += kRows) {
    const std::size_t nr = std::min(kRows, rows - r0);
    for (std::size_t k = 0; k < in; ++k) {
      for (std::size_t r = 0; r < kRows; ++r) xt[k * kRows + r] = r < nr ? x[(r0 + r) * in + k] : 0.0;
    }
    for (std::size_t o0 = 0; o0 < out; o0 += kOuts) {
      const float* rows_of_weight[kOuts];
      for (std::size_t o = 0; o < kOuts; ++o) rows_of_weight[o] = weight.data() + std::min(o0 + o, out - 1) * in;
      double sums[kOuts][kRows];
      kernel(xt.data(), rows_of_weight, in, sums);
      for (std::size_t o = 0; o < std::min(kOuts, out - o0); ++o) {
        for (std::size_t r = 0; r < nr; ++r) y[(r0 + r) * out + o0 + o] = sums[o][r] + bias[o0 + o];
      }
    }
  }
  return y;
}

}  // namespace thex::model
