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
constexpr std::size_t kInputs = 16, kTransforms = 32;          // without rotations
constexpr std::size_t kPeriod = 256;

// The processor time of `run`, which other programs do not lengthen, over its price.
double ratio(const std::function<void()>& run, double price, double budget) {
  return measure(run, budget).processor_minimum / price;
}

// Transforms of products alone, of as many ciphertexts and factors as a layer's: the one come from the second-level
// cache then, the other from memory. Each ends in a division by the last prime.
double transform_ratio(const Fixture& f, const circuit::CostModel& model, double budget) {
  const std::vector<double> values(kPeriod, 0.25);
  std::vector<ckks::Plaintext> factors;
  for (std::size_t i = 0; i < kInputs * kTransforms; ++i)
    factors.push_back(f.encoder.encode_extended(values, f.top(), f.context->scale(f.top())));
  const std::vector<ckks::Ciphertext> inputs(kInputs, f.a);
  std::vector<const ckks::Ciphertext*> of_inputs;
  for (const ckks::Ciphertext& input : inputs) of_inputs.push_back(&input);
  std::vector<ckks::LinearTransform> transforms(kTransforms);
  for (std::size_t i = 0; i < factors.size(); ++i)
    transforms[i / kInputs].at[0].push_back({i % kInputs, 0, &factors[i]});
  return ratio([&] { ckks::linear_transforms(*f.context, of_inputs, transforms, f.keys); },
               static_cast<double>(factors.size()) * model.cached_products(f.top()) +
                   static_cast<double>(kTransforms) * model.rescale(f.top()),
               budget);
}

circuit::OperationFactors factors_at(int log_n, int limbs, double budget) {
  Fixture f(engine_spec(log_n, limbs));
  const circuit::CostModel model = circuit::CostModel::of_spec(f.context->spec());
  const ckks::Level top = f.top();
  const ckks::Decomposition digits = f.evaluator.decompose(f.a);
  return {.decompositions = ratio([&] { f.evaluator.decompose(f.a); }, model.decompose(top), budget),
          .key_products = ratio([&] { f.evaluator.rotate_hoisted(f.a, digits, 1, f.keys); },
                                model.key_multiply(top) + 2 * model.divide(top), budget),
          .rescales = ratio([&] { f.evaluator.rescale(f.a); }, model.rescale(top), budget),
          .transform_products = transform_ratio(f, model, budget),
          .products = ratio([&] { f.evaluator.mul_plain(f.a, f.plaintext); },
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
