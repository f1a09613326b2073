// Ring kernels for every instruction set that this processor can run, each with the ratio to a bound:
//   x_compute  time / the least time of its arithmetic (thex/measure/bound.h)
//   x_memory   time / (bytes that must move / measured transfer rate of one thread on data of this size)
// A ratio near 1 means that nothing is left to gain. Read the CPU column on a machine that others use too.
// One limb per iteration; primes of 45 bits (lazy variant of AVX-512) or 50 bits (strict).
#include <benchmark/benchmark.h>

#include <ctime>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "thex/measure/bound.h"
#include "thex/ring/kernels.h"
#include "thex/ring/ntt.h"
#include "thex/ring/random.h"

namespace thex::ring {
namespace {

// Processor time of this thread: other programs on the machine then matter less.
double now() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

measure::Machine& machine(Isa isa) {
  static std::map<Isa, measure::Machine> machines;
  return machines.try_emplace(isa, *kernels_for(isa)).first->second;
}

Buffer random_residues(std::size_t n, std::uint64_t q) {
  static std::mt19937_64 rng(1);
  Buffer buffer(n);
  for (std::size_t i = 0; i < n; ++i) buffer.data()[i] = rng() % q;
  return buffer;
}

// Runs `run` and reports. bytes: moved in one iteration.
void measure(benchmark::State& state, Isa isa, const measure::Work& work, double bytes, std::size_t working_set,
             const auto& run) {
  const double arithmetic = measure::bound_seconds(work, machine(isa), 1);
  const double rate = machine(isa).transfer_rate(static_cast<double>(working_set), 1);
  const double start = now();
  for (auto _ : state) {
    run();
    benchmark::ClobberMemory();
  }
  const double seconds = (now() - start) / static_cast<double>(state.iterations());
  if (arithmetic > 0) state.counters["x_compute"] = seconds / arithmetic;
  state.counters["x_memory"] = seconds / (bytes / rate);
}

void ntt(benchmark::State& state, Isa isa, int log_n, int bits, bool forward) {
  const Kernels& table = *kernels_for(isa);
  const Modulus q(ntt_primes(bits, log_n, 1)[0]);
  const NttTable ntt_table(q, log_n);
  Buffer a = random_residues(ntt_table.n(), q.value());
  const double n = static_cast<double>(ntt_table.n());
  const auto transform = forward ? table.ntt_forward : table.ntt_inverse;
  measure(state, isa, {.butterflies = n / 2 * log_n}, 4 * 8 * n, 8 * ntt_table.n(),
          [&] { transform(a.data(), ntt_table); });
}

// The same over 16 limbs in turn, whose data and tables (3 words a coefficient) come from beyond the second-level
// cache.
void ntt_many_limbs(benchmark::State& state, Isa isa, int log_n) {
  const Kernels& table = *kernels_for(isa);
  constexpr std::size_t kLimbs = 16;
  std::vector<NttTable> tables;
  std::vector<Buffer> limbs;
  for (const std::uint64_t prime : ntt_primes(45, log_n, kLimbs)) {
    tables.emplace_back(Modulus(prime), log_n);
    limbs.push_back(random_residues(tables.back().n(), prime));
  }
  std::size_t i = 0;
  const double n = static_cast<double>(std::size_t{1} << log_n);
  measure(state, isa, {.butterflies = n / 2 * log_n}, 4 * 8 * n, 8 * kLimbs << log_n, [&] {
    table.ntt_forward(limbs[i].data(), tables[i]);
    i = (i + 1) % kLimbs;
  });
}

void inner_product(benchmark::State& state, Isa isa, std::size_t count, std::size_t run) {
  const Kernels& table = *kernels_for(isa);
  constexpr std::size_t kN = 1 << 15;
  const Modulus q(ntt_primes(45, 15, 1)[0]);
  std::vector<Buffer> a, b;
  std::vector<const std::uint64_t*> pa, pb;
  for (std::size_t k = 0; k < count; ++k) {
    a.push_back(random_residues(kN, q.value()));
    b.push_back(random_residues(kN / run, q.value()));
  }
  for (std::size_t k = 0; k < count; ++k) {
    pa.push_back(a[k].data());
    pb.push_back(b[k].data());
  }
  Buffer dst(kN);
  const std::size_t words = count * (kN + kN / run) + kN;
  measure(state, isa, {.multiply_adds = static_cast<double>(count * kN)}, 8.0 * static_cast<double>(words), 8 * words,
          [&] {
            if (run == 1) {
              table.inner_product(dst.data(), pa.data(), pb.data(), count, kN, q);
            } else {
              table.inner_product_runs(dst.data(), pa.data(), pb.data(), count, run, kN, q);
            }
          });
}

// One row of a key switch at N = 2^14: two digits, which stay in the caches, times two of `rows` key rows, which come
// from wherever so many rows fit.
void key_product(benchmark::State& state, Isa isa, std::size_t rows) {
  const Kernels& table = *kernels_for(isa);
  constexpr std::size_t kN = 1 << 14;
  const Modulus q(ntt_primes(45, 14, 1)[0]);
  std::vector<Buffer> keys;
  for (std::size_t k = 0; k < rows; ++k) keys.push_back(random_residues(kN, q.value()));
  const Buffer digits[] = {random_residues(kN, q.value()), random_residues(kN, q.value())};
  const std::uint64_t* const pd[] = {digits[0].data(), digits[1].data()};
  Buffer dst(kN);
  std::size_t next = 0;
  measure(state, isa, {.multiply_adds = 2.0 * kN}, 8.0 * 5 * kN, 8 * (rows + 3) * kN, [&] {
    const std::uint64_t* const pk[] = {keys[next].data(), keys[next + 1].data()};
    table.inner_product(dst.data(), pd, pk, 2, kN, q);
    next = (next + 2) % rows;
  });
}

void base_convert(benchmark::State& state, Isa isa, std::size_t count) {
  const Kernels& table = *kernels_for(isa);
  constexpr std::size_t kN = 1 << 15;
  const Modulus q(ntt_primes(45, 15, 1)[0]);
  std::vector<Buffer> src;
  std::vector<const std::uint64_t*> pointers;
  std::vector<std::uint64_t> factor;
  for (std::size_t k = 0; k < count; ++k) {
    src.push_back(random_residues(kN, q.value()));
    factor.push_back(src.back().data()[0]);
  }
  for (const Buffer& s : src) pointers.push_back(s.data());
  Buffer dst(kN);
  const std::size_t words = (count + 1) * kN;
  measure(state, isa, {.multiply_adds = static_cast<double>(count * kN)}, 8.0 * static_cast<double>(words), 8 * words,
          [&] {
            std::uint64_t* const row = dst.data();
            const std::uint64_t* const factors = factor.data();
            const Modulus* const modulus = &q;
            table.base_convert(&row, pointers.data(), &factors, &modulus, 1, count, kN);
          });
}

enum class Operation { add, mul, mul_scalar, sub_mul_scalar, permute, switch_modulus };

void elementwise(benchmark::State& state, Isa isa, Operation operation) {
  const Kernels& table = *kernels_for(isa);
  constexpr std::size_t kN = 1 << 15;
  const auto primes = ntt_primes(45, 15, 2);
  const Modulus q(primes[0]);
  const Buffer a = random_residues(kN, q.value()), b = random_residues(kN, q.value());
  Buffer dst(kN);
  const auto index = automorphism_permutation(15, 5);
  const std::uint64_t w = b.data()[0];
  // In the order of the enumeration.
  constexpr measure::Work kWork[] = {{.sums = kN}, {.products = kN}, {.products = kN}, {.products = kN},
                                     {},           {.products = kN}};
  constexpr double kWords[] = {3, 3, 2, 3, 2.5, 2};  // read or written for one result
  const auto which = static_cast<std::size_t>(operation);
  measure(state, isa, kWork[which], 8.0 * kN * kWords[which], 8 * kN, [&] {
    switch (operation) {
      case Operation::add:
        table.add(dst.data(), a.data(), b.data(), kN, q);
        break;
      case Operation::mul:
        table.mul(dst.data(), a.data(), b.data(), kN, q);
        break;
      case Operation::mul_scalar:
        table.mul_scalar(dst.data(), a.data(), w, kN, q);
        break;
      case Operation::sub_mul_scalar:
        table.sub_mul_scalar(dst.data(), a.data(), b.data(), w, kN, q);
        break;
      case Operation::permute:
        table.permute(dst.data(), a.data(), index.data(), kN);
        break;
      case Operation::switch_modulus:
        table.switch_modulus(dst.data(), a.data(), primes[1], kN, q);
        break;
    }
  });
}

// A row of a seeded half, expanded instead of read.
void expand(benchmark::State& state) {
  constexpr std::size_t kN = std::size_t{1} << 14;
  const Modulus q(ntt_primes(45, 14, 1)[0]);
  Prng prng(Seed{1});
  Buffer row(kN);
  for (auto _ : state) {
    sample_uniform(prng, row.data(), kN, q);
    benchmark::ClobberMemory();
  }
}

void register_all() {
  benchmark::RegisterBenchmark("expand_seed/2^14", expand)->Unit(benchmark::kMicrosecond);
  for (const Isa isa : {Isa::avx512ifma, Isa::avx2, Isa::portable}) {
    const Kernels* const table = kernels_for(isa);
    if (table == nullptr) continue;
    const std::string name = table->name;
    const auto add = [&name](const std::string& what, auto work) {
      benchmark::RegisterBenchmark((name + "/" + what).c_str(), work)->Unit(benchmark::kMicrosecond);
    };
    for (int log_n = 13; log_n <= 16; ++log_n) {
      for (const int bits : {45, 50}) {
        const std::string size = "2^" + std::to_string(log_n) + "/" + std::to_string(bits) + "bit";
        add("ntt_forward/" + size, [=](benchmark::State& s) { ntt(s, isa, log_n, bits, true); });
        add("ntt_inverse/" + size, [=](benchmark::State& s) { ntt(s, isa, log_n, bits, false); });
      }
      add("ntt_forward/2^" + std::to_string(log_n) + "/16limbs",
          [=](benchmark::State& s) { ntt_many_limbs(s, isa, log_n); });
    }
    for (const std::size_t count : {3, 9, 32}) {
      for (const std::size_t run : {1, 2, 64}) {
        add("inner_product/terms:" + std::to_string(count) + "/run:" + std::to_string(run),
            [=](benchmark::State& s) { inner_product(s, isa, count, run); });
      }
    }
    for (const std::size_t rows : {2, 64, 512}) {
      add("key_product/rows:" + std::to_string(rows), [=](benchmark::State& s) { key_product(s, isa, rows); });
    }
    for (const std::size_t count : {3, 8, 24}) {
      add("base_convert/limbs:" + std::to_string(count), [=](benchmark::State& s) { base_convert(s, isa, count); });
    }
    const std::pair<const char*, Operation> operations[] = {{"add", Operation::add},
                                                            {"mul", Operation::mul},
                                                            {"mul_scalar", Operation::mul_scalar},
                                                            {"sub_mul_scalar", Operation::sub_mul_scalar},
                                                            {"permute", Operation::permute},
                                                            {"switch_modulus", Operation::switch_modulus}};
    for (const auto& [what, operation] : operations) {
      add(what, [=, operation = operation](benchmark::State& s) { elementwise(s, isa, operation); });
    }
  }
}

const bool registered = (register_all(), true);

}  // namespace
}  // namespace thex::ring
