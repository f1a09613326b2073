#include "thex/measure/transform_cases.h"

#include "thex/ckks/linear_transform.h"

namespace thex::measure {
namespace {

constexpr int kRotations = 8;
constexpr std::size_t kPeriod = 256;

struct State {
  explicit State(const std::shared_ptr<Fixture>& f) : fixture(f) {
    ckks::KeyRequirements required;
    for (int step = 1; step <= kRotations; ++step) required.rotations.emplace(step, f->top());
    keys = ckks::secret::make_evaluation_keys(f->key, required, f->prng);
    const std::vector<double> values(kPeriod, 0.25);
    factors.reserve(kRotations);
    for (int step = 1; step <= kRotations; ++step) {
      factors.push_back(f->encoder.encode_extended(values, f->top(), f->context->scale(f->top())));
      transform.at[0].push_back({0, step, &factors.back()});
    }
  }
  std::shared_ptr<Fixture> fixture;
  ckks::EvaluationKeys keys;
  std::vector<ckks::Plaintext> factors;
  ckks::LinearTransform transform;
};

}  // namespace

Prepared prepare_transform_rotation(const std::shared_ptr<Fixture>& fixture) {
  const auto state = std::make_shared<const State>(fixture);
  return {.run =
              [state] {
                const ckks::Ciphertext* const input = &state->fixture->a;
                ckks::linear_transforms(*state->fixture->context, std::span(&input, 1), std::span(&state->transform, 1),
                                        state->keys);
              },
          .work = WorkOf(*fixture->context, fixture->top().limbs()).linear_transform(kRotations, 1, kRotations),
          .operations = kRotations};
}

}  // namespace thex::measure
