// Internal: how the lazy inverse NTT (ntt_lazy_inverse.h) divides its stages into steps. Constants only, so that files
// compiled for one instruction set may include it (the reason is in simd/avx512ifma.h).
#pragma once

namespace thex::ring {

namespace {

constexpr int kLazyLeafLog = 6;

// Stages of the last step on a block of 2^log_n values; 6 < log_n <= 16.
constexpr int lazy_inverse_stages(int log_n) {
  const int stages = log_n - kLazyLeafLog;
  return stages == 4 ? 2 : stages < 3 ? stages : 3;
}

}  // namespace

}  // namespace thex::ring
