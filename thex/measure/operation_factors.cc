#include "thex/measure/operation_factors.h"

#include <cmath>
#include <functional>
#include <vector>

#include "thex/ckks/linear_transform.h"
#include "thex/measure/engine_cases.h"
#include "thex/measure/fixture.h"
#include "thex/measure/timing.h"

namespace thex::measure {
namespace {

constexpr std::pair<int, int> kSizes[] = {{14, 7}, {15, 12}};  // log2 N, limbs
constexpr std::size_t kInputs = 64, kTransforms = 16;          // without rotations
constexpr std::size_t kPeriod = 512;
// In a circuit an operation's operands were made long ago, so here every run takes others: so many values and keys that
// no cache holds them.
constexpr std::size_t kValues = 24;
constexpr int kKeys = 8;

// The processor time of `run`, which other programs lengthen least, over its price: the usual one, as in a circuit, not
// the best.
double ratio(const std::function<void()>& run, double price, double budget) {
  return measure(run, budget).processor_median / price;
}

// Transforms of products alone, of as many ciphertexts and factors as a layer's. Each ends in a division by the last
// prime.
double transform_ratio(const Fixture& f, const std::vector<ckks::Ciphertext>& values, const circuit::CostModel& model,
                       double budget) {
  const std::vector<double> weights(kPeriod, 0.25);
  std::vector<ckks::Plaintext> factors;
  for (std::size_t i = 0; i < kInputs * kTransforms; ++i)
    factors.push_back(f.encoder.encode_extended(weights, f.top(), f.context->scale(f.top())));
  std::vector<const ckks::Ciphertext*> inputs;
  for (std::size_t i = 0; i < kInputs; ++i) inputs.push_back(&values[i % values.size()]);
  std::vector<ckks::LinearTransform> transforms(kTransforms);
  for (std::size_t i = 0; i < factors.size(); ++i)
    transforms[i / kInputs].at[0].push_back({i % kInputs, 0, &factors[i]});
  return ratio([&] { ckks::linear_transforms(*f.context, inputs, transforms, f.keys); },
               static_cast<double>(factors.size()) * model.cached_products(f.top()) +
                   static_cast<double>(kTransforms) * model.rescale(f.top()),
               budget);
}

circuit::OperationFactors factors_at(int log_n, int limbs, double budget) {
  Fixture f(engine_spec(log_n, limbs));
  const circuit::CostModel model = circuit::CostModel::of_spec(f.context->spec());
  const ckks::Level top = f.top();
  ckks::KeyRequirements required;
  for (int k = 1; k <= kKeys; ++k) required.rotations.emplace(k, top);
  const ckks::EvaluationKeys keys = ckks::secret::make_evaluation_keys(f.key, required, f.prng);
  std::vector<ckks::Ciphertext> values;
  std::vector<ckks::Decomposition> digits;
  for (std::size_t i = 0; i < kValues; ++i) {
    values.push_back(f.encrypt());
    digits.push_back(f.evaluator.decompose(values.back()));
  }
  std::size_t run = 0;
  const auto next = [&] { return ++run % kValues; };
  const auto rotate = [&] {
    const std::size_t i = next();
    f.evaluator.rotate_hoisted(values[i], digits[i], static_cast<int>(run % kKeys) + 1, keys);
  };
  return {.decompositions = ratio([&] { f.evaluator.decompose(values[next()]); }, model.decompose(top), budget),
          .key_products = ratio(rotate, model.key_multiply(top) + 2 * model.divide(top), budget),
          .rescales = ratio([&] { f.evaluator.rescale(values[next()]); }, model.rescale(top), budget),
          .transform_products = transform_ratio(f, values, model, budget),
          .products = ratio([&] { f.evaluator.mul_plain(values[next()], f.plaintext); },
                            2 * static_cast<double>(top.limbs()) * model.pass(), budget)};
}

}  // namespace

circuit::OperationFactors measure_operation_factors(double budget) {
  std::vector<circuit::OperationFactors> all;
  for (const auto& [log_n, limbs] : kSizes) all.push_back(factors_at(log_n, limbs, budget));
  const auto mean = [&](double circuit::OperationFactors::*factor) {
    double log = 0;
    for (const circuit::OperationFactors& f : all) log += std::log(f.*factor);
    return std::exp(log / static_cast<double>(all.size()));
  };
  using F = circuit::OperationFactors;
  return {.decompositions = mean(&F::decompositions),
          .key_products = mean(&F::key_products),
          .rescales = mean(&F::rescales),
          .transform_products = mean(&F::transform_products),
          .products = mean(&F::products)};
}

}  // namespace thex::measure
