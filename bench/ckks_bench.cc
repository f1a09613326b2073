// Times of the scheme's operations that engine_bench does not have, at its sizes (log2 N, limbs):
//   0: 2^14, 7    1: 2^15, 12    2: 2^16, 24
// Run: build-bench/ckks_bench; THEX_ISA=portable|avx2|avx512ifma selects the kernels.
#include <benchmark/benchmark.h>

#include <vector>

#include "thex/ckks/serialization.h"
#include "thex/measure/fixture.h"
#include "thex/ring/kernels.h"

namespace {

using namespace thex;
using namespace thex::ckks;

constexpr std::pair<int, int> kSizes[] = {{14, 7}, {15, 12}, {16, 24}};

measure::Fixture& setup(benchmark::State& state) {
  static measure::Fixtures fixtures;
  const auto [log_n, limbs] = kSizes[state.range(0)];
  state.SetLabel(ring::kernels().name);
  return *fixtures.get(log_n, limbs);
}

// A weight diagonal of 256 slots.
std::vector<double> diagonal() {
  std::vector<double> values(256);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 1.0 / static_cast<double>(i + 1);
  return values;
}

void encode_periodic(benchmark::State& state) {
  measure::Fixture& s = setup(state);
  const std::vector<double> period = diagonal();
  for (auto _ : state) {
    benchmark::DoNotOptimize(s.encoder.encode(std::span<const double>(period), s.a.level, s.a.scale));
  }
}

void decompose(benchmark::State& state) {
  measure::Fixture& s = setup(state);
  for (auto _ : state) benchmark::DoNotOptimize(s.evaluator.decompose(s.a));
}

void multiply_relinearize_rescale(benchmark::State& state) {
  measure::Fixture& s = setup(state);
  for (auto _ : state) benchmark::DoNotOptimize(s.evaluator.relinearize_rescale(s.evaluator.mul(s.a, s.b), s.keys));
}

// 32 ciphertexts with periodic plaintexts.
void inner_product_plain(benchmark::State& state) {
  measure::Fixture& s = setup(state);
  const Plaintext weights =
      s.encoder.encode(std::span<const double>(diagonal()), s.a.level, s.context->scale(s.a.level));
  const std::vector<Ciphertext> inputs(32, s.a);
  std::vector<const Ciphertext*> x;
  for (const Ciphertext& input : inputs) x.push_back(&input);
  const std::vector<const Plaintext*> y(32, &weights);
  for (auto _ : state) benchmark::DoNotOptimize(s.evaluator.inner_product_plain(x, y));
}

void parse_seeded_ciphertext(benchmark::State& state) {
  measure::Fixture& s = setup(state);
  const Bytes bytes = serialize(*s.context, secret::encrypt(s.key, s.plaintext, s.prng));
  for (auto _ : state) benchmark::DoNotOptimize(parse_ciphertext(*s.context, bytes));
}

void make_rotation_key(benchmark::State& state) {
  measure::Fixture& s = setup(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        secret::make_galois_key(s.key, s.context->galois_element(1), s.context->max_level(), s.prng));
  }
}

#define THEX_CKKS_BENCHMARK(name) BENCHMARK(name)->DenseRange(0, 2)->Unit(benchmark::kMillisecond)
THEX_CKKS_BENCHMARK(encode_periodic);
THEX_CKKS_BENCHMARK(decompose);
THEX_CKKS_BENCHMARK(multiply_relinearize_rescale);
THEX_CKKS_BENCHMARK(inner_product_plain);
THEX_CKKS_BENCHMARK(parse_seeded_ciphertext);
THEX_CKKS_BENCHMARK(make_rotation_key);

}  // namespace
