#include "thex/client/keys.h"

#include <memory>
#include <utility>

#include "thex/ckks/serialization.h"

namespace thex::client {

FreshKeys make_fresh_keys(const encoder::InferencePlan& plan) {
  ring::Prng prng;
  ckks::secret::SecretKey secret = ckks::secret::SecretKey::generate(plan.circuits.context, prng);
  ckks::Bytes bytes =
      ckks::serialize(*plan.circuits.context, ckks::secret::make_evaluation_keys(secret, plan.circuits.keys, prng));
  const protocol::KeyFingerprint fingerprint = protocol::fingerprint(bytes);
  return {std::move(secret), fingerprint, std::move(bytes)};
}

ClientKeys make_keys(const encoder::InferencePlan& plan) {
  FreshKeys fresh = make_fresh_keys(plan);
  const auto held = std::make_shared<const ckks::Bytes>(std::move(fresh.evaluation_keys));
  return {std::move(fresh.secret), fresh.fingerprint,
          [held] { return std::string(reinterpret_cast<const char*>(held->data()), held->size()); }};
}

}  // namespace thex::client
