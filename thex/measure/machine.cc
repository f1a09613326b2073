#include "thex/measure/machine.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <fstream>
#include <thread>
#include <vector>

#include "thex/base/machine_threads.h"

namespace thex::measure {
namespace {

double seconds_of(int repeats, const auto& work) {
  double best = 1e9;
  for (int i = 0; i < repeats; ++i) {
    const double start = wall_clock();
    work();
    best = std::min(best, wall_clock() - start);
  }
  return best;
}

constexpr std::size_t kRounds = 100000, kChains = 12;  // more chains than latency times instructions a cycle

#if defined(__x86_64__)
// kChains independent chains of one instruction on registers 4..15, kRounds times. Assembly needs no compiler flags, so
// that this file runs everywhere; the caller knows that the processor has the instruction.
#define THEX_TWELVE(X) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define THEX_CHAINS(CLEAR, STEP, END)                                                                           \
  do {                                                                                                          \
    std::size_t rounds = kRounds;                                                                               \
    __asm__ volatile(CLEAR "1:\n\t" THEX_TWELVE(STEP) "dec %0\n\tjnz 1b\n\t" END                                \
                     : "+r"(rounds)                                                                             \
                     :                                                                                          \
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
                       "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc");                                      \
  } while (false)
#define THEX_CLEAR_YMM(R) "vpxor %%ymm" #R ",%%ymm" #R ",%%ymm" #R "\n\t"
#define THEX_CLEAR_XMM(R) "pxor %%xmm" #R ",%%xmm" #R "\n\t"
#define THEX_VECTORS_CLEAR THEX_CLEAR_YMM(0) THEX_CLEAR_YMM(1) THEX_TWELVE(THEX_CLEAR_YMM)
#define THEX_IFMA(R) "vpmadd52luq %%zmm0,%%zmm1,%%zmm" #R "\n\t"
#define THEX_MUL_ZMM(R) "vmulpd %%zmm0,%%zmm" #R ",%%zmm" #R "\n\t"
#define THEX_FMA_YMM(R) "vfmadd231pd %%ymm0,%%ymm1,%%ymm" #R "\n\t"
#define THEX_MUL_YMM(R) "vmulpd %%ymm0,%%ymm" #R ",%%ymm" #R "\n\t"
#define THEX_MUL_XMM(R) "mulpd %%xmm0,%%xmm" #R "\n\t"

void run_ifma() { THEX_CHAINS(THEX_VECTORS_CLEAR, THEX_IFMA, "vzeroupper"); }
void run_mul_zmm() { THEX_CHAINS(THEX_VECTORS_CLEAR, THEX_MUL_ZMM, "vzeroupper"); }
void run_fma_ymm() { THEX_CHAINS(THEX_VECTORS_CLEAR, THEX_FMA_YMM, "vzeroupper"); }
void run_mul_ymm() { THEX_CHAINS(THEX_VECTORS_CLEAR, THEX_MUL_YMM, "vzeroupper"); }
void run_mul_xmm() { THEX_CHAINS(THEX_CLEAR_XMM(0) THEX_TWELVE(THEX_CLEAR_XMM), THEX_MUL_XMM, ""); }
void run_multiply() {
  // Only rax and rdx take part, and each multiplication begins a new chain.
  std::size_t rounds = kRounds;
  __asm__ volatile(
      "1:\n\t"
      "mov %0,%%rax\n\tmul %0\n\tmov %0,%%rax\n\tmul %0\n\tmov %0,%%rax\n\tmul %0\n\tmov %0,%%rax\n\tmul %0\n\t"
      "mov %0,%%rax\n\tmul %0\n\tmov %0,%%rax\n\tmul %0\n\tmov %0,%%rax\n\tmul %0\n\tmov %0,%%rax\n\tmul %0\n\t"
      "mov %0,%%rax\n\tmul %0\n\tmov %0,%%rax\n\tmul %0\n\tmov %0,%%rax\n\tmul %0\n\tmov %0,%%rax\n\tmul %0\n\t"
      "dec %0\n\tjnz 1b"
      : "+r"(rounds)
      :
      : "rax", "rdx", "cc");
}
#else
volatile std::uint64_t sink;
volatile double real_sink;
void run_multiply() {
  std::uint64_t x[kChains] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  for (std::size_t i = 0; i < kRounds; ++i) {
    for (std::uint64_t& value : x) value = ring::mul_high(value, 0x9e3779b97f4a7c15u + i);
  }
  for (const std::uint64_t value : x) sink = value;
}
void run_mul_xmm() {
  double x[2 * kChains];
  std::fill_n(x, 2 * kChains, 1.0);
  for (std::size_t i = 0; i < kRounds; ++i) {
    for (double& value : x) value *= 0.9999999;
  }
  for (const double value : x) real_sink = value;
}
#endif

double rate(void (*work)()) { return static_cast<double>(kRounds * kChains) / seconds_of(9, work); }

std::string model_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return machine_threads();
}

// Combines all words of four places at a time: one stream alone does not fill the memory's pipeline.
std::uint64_t combine(const std::uint64_t* words, std::size_t count) {
  using Pair = std::uint64_t __attribute__((vector_size(16), may_alias));
  constexpr std::size_t kLine = 4;
  const std::size_t stream = count / 8;  // pairs
  const auto* const p = reinterpret_cast<const Pair*>(words);
  Pair a{}, b{}, c{}, d{};
  for (std::size_t i = 0; i < stream; i += kLine) {
    for (std::size_t j = i; j < i + kLine; ++j) {
      a ^= p[j];
      b ^= p[stream + j];
      c ^= p[2 * stream + j];
      d ^= p[3 * stream + j];
    }
  }
  const Pair all = a ^ b ^ c ^ d;
  return all[0] ^ all[1];
}

}  // namespace

double wall_clock() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double processor_clock() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

Machine::Machine(const ring::Kernels& kernels)
    : model_(model_name()), cores_(usable_cores()), isa_(kernels.isa), isa_name_(kernels.name) {
#if defined(__x86_64__)
  if (isa_ == ring::Isa::avx512ifma) {
    integer_rate_ = rate(run_ifma);
    real_rate_ = rate(run_mul_zmm);
    return;
  }
  if (isa_ == ring::Isa::avx2) {
    integer_rate_ = rate(run_fma_ymm);
    real_rate_ = rate(run_mul_ymm);
    return;
  }
#endif
  integer_rate_ = rate(run_multiply);
  real_rate_ = rate(run_mul_xmm);
}

double Machine::integer_lanes() const { return isa_ == ring::Isa::avx512ifma ? 8 : isa_ == ring::Isa::avx2 ? 4 : 1; }
double Machine::real_lanes() const { return isa_ == ring::Isa::avx512ifma ? 8 : isa_ == ring::Isa::avx2 ? 4 : 2; }

double Machine::transfer_rate(double bytes, int threads) {
  std::size_t size = std::size_t{16} << 10;
  while (2.0 * static_cast<double>(size) <= bytes && size < (std::size_t{128} << 20)) size *= 2;
  const auto [entry, missing] = transfer_rates_.try_emplace({size, threads}, 0.0);
  if (!missing) return entry->second;
  // Every thread has a share of its own.
  const std::size_t words = size / 8, share = words / static_cast<std::size_t>(threads) / 32 * 32;
  ring::Buffer buffer(words);
  std::memset(buffer.data(), 1, size);
  std::atomic<std::uint64_t> result = 0;
  const std::size_t passes = std::max<std::size_t>(1, (std::size_t{32} << 20) / size);
  const auto seconds = [&](const auto& work) {
    return seconds_of(15, [&] {
      std::vector<std::thread> others;
      for (int t = 1; t < threads; ++t) others.emplace_back(work, buffer.data() + static_cast<std::size_t>(t) * share);
      work(buffer.data());
      for (std::thread& other : others) other.join();
    });
  };
  const double reading = seconds([&](const std::uint64_t* from) {
    std::uint64_t combined = 0;
    for (std::size_t pass = 0; pass < passes; ++pass) combined += combine(from, share);
    result += combined;
  });
  const double copying = seconds([&](std::uint64_t* from) {
    for (std::size_t pass = 0; pass < passes; ++pass) {
      std::memcpy(from + share / 2, from, 4 * share);
      __asm__ volatile("" ::: "memory");  // every pass counts
    }
  });
  return entry->second =
             8.0 * static_cast<double>(share * static_cast<std::size_t>(threads) * passes) / std::min(reading, copying);
}

}  // namespace thex::measure
