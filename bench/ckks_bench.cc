// Times of the scheme's operations at three parameter sets (log2 N, limbs, digit size, special primes):
//   0: 2^14, 8 limbs, 3 digits of 3, 3 special    1: 2^15, 12, 4 of 3, 3    2: 2^16, 24, 3 of 8, 8
// Run: build-bench/ckks_bench; THEX_ISA=portable|avx2|avx512ifma selects the kernels.
#include <benchmark/benchmark.h>

#include <complex>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "thex/ckks/encoder.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/secret/secret.h"
#include "thex/ckks/serialization.h"
#include "thex/ring/kernels.h"

namespace {

using namespace thex;
using namespace thex::ckks;

ContextSpec spec_of(std::int64_t index) {
  ContextSpec spec;
  const auto fill = [&](int log_n, std::size_t limbs, int alpha, std::vector<int> special) {
    spec.log_n = log_n;
    spec.q_bits.assign(limbs, 36);
    spec.q_bits[0] = 46;
    spec.p_bits = std::move(special);
    spec.digit_limbs = alpha;
  };
  if (index == 0) fill(14, 8, 3, {40, 40, 40});
  if (index == 1) fill(15, 12, 3, {40, 40, 40});
  if (index == 2) fill(16, 24, 8, std::vector<int>(8, 38));
  return spec;
}

// One parameter set with a key for the rotation by 1 and for products, all at the top level.
struct Setup {
  ContextPtr context;
  Encoder encoder;
  Evaluator evaluator;
  ring::Prng prng{ring::Seed{7}};
  secret::SecretKey key;
  EvaluationKeys keys;
  std::vector<double> values;
  Plaintext plaintext;
  Ciphertext a, b;

  explicit Setup(ContextPtr c)
      : context(c), encoder(c), evaluator(c), key(secret::SecretKey::generate(c, prng)), values(c->slots()) {
    const int top = context->max_level();
    KeyRequirements required;
    required.rotations = {{1, top}};
    required.relinearization_level = top;
    keys = secret::make_evaluation_keys(key, required, prng);
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> uniform(-1, 1);
    for (double& value : values) value = uniform(random);
    plaintext = encoder.encode(std::span<const double>(values), top, context->scale(top));
    a = evaluator.expand(secret::encrypt(key, plaintext, prng));
    b = evaluator.expand(secret::encrypt(key, plaintext, prng));
  }
};

Setup& setup(benchmark::State& state) {
  static std::map<std::int64_t, std::unique_ptr<Setup>> setups;
  auto& entry = setups[state.range(0)];
  if (!entry) entry = std::make_unique<Setup>(Context::create(spec_of(state.range(0))));
  state.SetLabel(ring::kernels().name);
  return *entry;
}

void encode(benchmark::State& state) {
  Setup& s = setup(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(s.encoder.encode(std::span<const double>(s.values), s.a.level, s.a.scale));
  }
}

// A weight diagonal of 256 slots.
void encode_periodic(benchmark::State& state) {
  Setup& s = setup(state);
  const std::span<const double> period(s.values.data(), 256);
  for (auto _ : state) benchmark::DoNotOptimize(s.encoder.encode(period, s.a.level, s.a.scale));
}

void rotate(benchmark::State& state) {
  Setup& s = setup(state);
  for (auto _ : state) benchmark::DoNotOptimize(s.evaluator.rotate(s.a, 1, s.keys));
}

void decompose(benchmark::State& state) {
  Setup& s = setup(state);
  for (auto _ : state) benchmark::DoNotOptimize(s.evaluator.decompose(s.a));
}

void rotate_hoisted(benchmark::State& state) {
  Setup& s = setup(state);
  const Decomposition digits = s.evaluator.decompose(s.a);
  for (auto _ : state) benchmark::DoNotOptimize(s.evaluator.rotate_hoisted(s.a, digits, 1, s.keys));
}

void multiply_relinearize(benchmark::State& state) {
  Setup& s = setup(state);
  for (auto _ : state) benchmark::DoNotOptimize(s.evaluator.relinearize(s.evaluator.mul(s.a, s.b), s.keys));
}

void multiply_relinearize_rescale(benchmark::State& state) {
  Setup& s = setup(state);
  for (auto _ : state) benchmark::DoNotOptimize(s.evaluator.relinearize_rescale(s.evaluator.mul(s.a, s.b), s.keys));
}

void rescale(benchmark::State& state) {
  Setup& s = setup(state);
  for (auto _ : state) benchmark::DoNotOptimize(s.evaluator.rescale(s.a));
}

// 32 ciphertexts with periodic plaintexts.
void inner_product_plain(benchmark::State& state) {
  Setup& s = setup(state);
  const Plaintext weights =
      s.encoder.encode(std::span<const double>(s.values.data(), 256), s.a.level, s.context->scale(s.a.level));
  const std::vector<Ciphertext> inputs(32, s.a);
  std::vector<const Ciphertext*> x;
  for (const Ciphertext& input : inputs) x.push_back(&input);
  const std::vector<const Plaintext*> y(32, &weights);
  for (auto _ : state) benchmark::DoNotOptimize(s.evaluator.inner_product_plain(x, y));
}

void parse_seeded_ciphertext(benchmark::State& state) {
  Setup& s = setup(state);
  const Bytes bytes = serialize(*s.context, secret::encrypt(s.key, s.plaintext, s.prng));
  for (auto _ : state) benchmark::DoNotOptimize(parse_ciphertext(*s.context, bytes));
}

void make_rotation_key(benchmark::State& state) {
  Setup& s = setup(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        secret::make_galois_key(s.key, s.context->galois_element(1), s.context->max_level(), s.prng));
  }
}

#define THEX_CKKS_BENCHMARK(name) BENCHMARK(name)->DenseRange(0, 2)->Unit(benchmark::kMillisecond)
THEX_CKKS_BENCHMARK(encode);
THEX_CKKS_BENCHMARK(encode_periodic);
THEX_CKKS_BENCHMARK(rotate);
THEX_CKKS_BENCHMARK(decompose);
THEX_CKKS_BENCHMARK(rotate_hoisted);
THEX_CKKS_BENCHMARK(multiply_relinearize);
THEX_CKKS_BENCHMARK(multiply_relinearize_rescale);
THEX_CKKS_BENCHMARK(rescale);
THEX_CKKS_BENCHMARK(inner_product_plain);
THEX_CKKS_BENCHMARK(parse_seeded_ciphertext);
THEX_CKKS_BENCHMARK(make_rotation_key);

}  // namespace
