#include "thex/measure/engine_cases.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "thex/base/error.h"
#include "thex/ckks/modulus_chain.h"
#include "thex/measure/fixture.h"
#include "thex/measure/matrix_cases.h"
#include "thex/measure/refresh_cases.h"
#include "thex/measure/transform_cases.h"
#include "thex/ring/kernels.h"
#include "thex/ring/ntt.h"

namespace thex::measure {
namespace {

constexpr std::pair<int, int> kSizes[] = {{14, 7}, {15, 12}, {16, 24}};  // log2 N, limbs
constexpr std::size_t kBatch = 8;

// One limb of 45 bits, back and forth in the same memory.
Prepared prepare_ntt(int log_n, bool forward) {
  struct State {
    explicit State(int log) : table(ring::Modulus(ring::ntt_primes(45, log, 1)[0]), log), values(table.n()) {
      for (std::size_t i = 0; i < table.n(); ++i) values.data()[i] = table.modulus().reduce(i * 0x9e3779b97f4a7c15u);
    }
    ring::NttTable table;
    ring::Buffer values;
  };
  const auto state = std::make_shared<State>(log_n);
  const auto transform = forward ? ring::kernels().ntt_forward : ring::kernels().ntt_inverse;
  const double n = static_cast<double>(state->table.n());
  return {.run = [state, transform] { transform(state->values.data(), state->table); },
          .work = {.butterflies = n / 2 * log_n}};
}

// `count` rotations of independent ciphertexts, shared by that many threads.
void rotate_batch(const Fixture& f, const std::vector<ckks::Ciphertext>& inputs, int threads) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < inputs.size(); i = next++) f.evaluator.rotate(inputs[i], 1, f.keys);
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
}

Prepared prepare_batch(const std::shared_ptr<Fixture>& f, int threads) {
  std::vector<ckks::Ciphertext> inputs;
  for (std::size_t i = 0; i < kBatch; ++i) inputs.push_back(f->encrypt());
  return {.run = [f, inputs = std::move(inputs), threads] { rotate_batch(*f, inputs, threads); },
          .work = static_cast<double>(kBatch) * WorkOf(*f->context, f->top().limbs()).rotate()};
}

// One operation of a fixture: its work by WorkOf, and how to make what it runs.
struct Operation {
  const char* name;
  Work (WorkOf::*work)() const;
  std::function<void()> (*make)(const std::shared_ptr<Fixture>& f);
};

constexpr Operation kOperations[] = {
    {"encode", &WorkOf::encode,
     [](const std::shared_ptr<Fixture>& f) -> std::function<void()> {
       return [f] { f->encoder.encode(f->slots, f->top(), f->a.scale); };
     }},
    {"rotate", &WorkOf::rotate,
     [](const std::shared_ptr<Fixture>& f) -> std::function<void()> {
       return [f] { f->evaluator.rotate(f->a, 1, f->keys); };
     }},
    {"rotate_hoisted", &WorkOf::rotate_hoisted,
     [](const std::shared_ptr<Fixture>& f) -> std::function<void()> {
       const auto digits = std::make_shared<const ckks::Decomposition>(f->evaluator.decompose(f->a));
       return [f, digits] { f->evaluator.rotate_hoisted(f->a, *digits, 1, f->keys); };
     }},
    {"multiply_relinearize", &WorkOf::multiply_relinearize,
     [](const std::shared_ptr<Fixture>& f) -> std::function<void()> {
       return [f] { f->evaluator.relinearize(f->evaluator.mul(f->a, f->b), f->keys); };
     }},
    {"rescale", &WorkOf::rescale,
     [](const std::shared_ptr<Fixture>& f) -> std::function<void()> { return [f] { f->evaluator.rescale(f->a); }; }},
    {"multiply_plain", &WorkOf::multiply_plain,
     [](const std::shared_ptr<Fixture>& f) -> std::function<void()> {
       return [f] { f->evaluator.mul_plain(f->a, f->plaintext); };
     }},
    {"add", &WorkOf::add,
     [](const std::shared_ptr<Fixture>& f) -> std::function<void()> { return [f] { f->evaluator.add(f->a, f->b); }; }},
};

}  // namespace

std::string Case::label() const {
  std::string label = name + "/2^" + std::to_string(log_n) + "/" + std::to_string(limbs);
  if (threads > 1) label += "/threads:" + std::to_string(threads);
  return label;
}

ckks::ContextSpec engine_spec(int log_n, int limbs) {
  constexpr int kIntegerBits = 5, kLeastScale = 36;
  const ckks::ChainRequest request{.log_n = log_n,
                                   .depth = limbs - 1,
                                   .integer_bits = kIntegerBits,
                                   .min_log_scale = kLeastScale,
                                   .max_log_scale = ring::kFastPrimeBits};
  for (int digits = 2; digits <= limbs; ++digits)  // one digit needs as many special primes again
    if (auto spec = ckks::modulus_chain(request, (limbs + digits - 1) / digits)) return *std::move(spec);
  throw Error(ErrorCode::crypto, std::to_string(limbs) + " primes of " + std::to_string(kLeastScale) +
                                     " bits are not 128-bit secure in the ring of 2^" + std::to_string(log_n));
}

std::vector<Case> engine_cases(int threads) {
  std::vector<Case> cases;
  const auto fixtures = std::make_shared<Fixtures>();
  for (const bool forward : {true, false}) {
    for (const int log_n : {14, 15, 16}) {
      cases.push_back({.name = forward ? "ntt_forward" : "ntt_inverse", .log_n = log_n, .limbs = 1, .prepare = [=] {
                         return prepare_ntt(log_n, forward);
                       }});
    }
  }
  for (const Operation& operation : kOperations) {
    for (const auto& [log_n, limbs] : kSizes) {
      cases.push_back({.name = operation.name,
                       .log_n = log_n,
                       .limbs = limbs,
                       .prepare = [=, &operation, log_n = log_n, limbs = limbs]() -> Prepared {
                         const std::shared_ptr<Fixture> f = fixtures->get(log_n, limbs);
                         return {.run = operation.make(f),
                                 .work = (WorkOf(*f->context, f->top().limbs()).*operation.work)()};
                       }});
    }
  }
  for (const auto& [log_n, limbs] : kSizes) {
    cases.push_back({.name = "rotate_in_transform",
                     .log_n = log_n,
                     .limbs = limbs,
                     .large = log_n == 16,
                     .prepare = [=, log_n = log_n, limbs = limbs] {
                       return prepare_transform_rotation(fixtures->get(log_n, limbs));
                     }});
  }
  for (const auto& [log_n, limbs] : {kSizes[1], kSizes[2]}) {
    for (const int t : threads > 1 ? std::vector<int>{1, threads} : std::vector<int>{1}) {
      cases.push_back(
          {.name = "rotate_batch_8",
           .log_n = log_n,
           .limbs = limbs,
           .threads = t,
           .prepare = [=, log_n = log_n, limbs = limbs] { return prepare_batch(fixtures->get(log_n, limbs), t); }});
    }
  }
  add_matrix_cases(cases);
  add_refresh_cases(cases);
  return cases;
}

}  // namespace thex::measure
