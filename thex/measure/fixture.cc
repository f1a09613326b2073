#include "thex/measure/fixture.h"

#include <random>

#include "thex/measure/engine_cases.h"

namespace thex::measure {

Fixture::Fixture(const ckks::ContextSpec& spec)
    : context(ckks::Context::create(spec)),
      encoder(context),
      evaluator(context),
      prng(ring::Seed{7}),
      key(ckks::secret::SecretKey::generate(context, prng)),
      slots(context->slots()) {
  ckks::KeyRequirements required;
  required.rotations = {{1, top()}};
  required.relinearization_level = top();
  keys = ckks::secret::make_evaluation_keys(key, required, prng);
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (auto& slot : slots) slot = {uniform(random), uniform(random)};
  plaintext = encoder.encode(slots, top(), context->scale(top()));
  a = encrypt();
  b = encrypt();
}

ckks::Ciphertext Fixture::encrypt() { return evaluator.expand(ckks::secret::encrypt(key, plaintext, prng)); }

std::shared_ptr<Fixture> Fixtures::get(int log_n, int limbs) {
  std::shared_ptr<Fixture>& fixture = made_[{log_n, limbs}];
  if (!fixture) fixture = std::make_shared<Fixture>(engine_spec(log_n, limbs));
  return fixture;
}

}  // namespace thex::measure
