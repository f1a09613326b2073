#include "thex/measure/refresh_cases.h"

#include "thex/ckks/masked_refresh.h"
#include "thex/ckks/rounded_ciphertext.h"
#include "thex/measure/fixture.h"

namespace thex::measure {
namespace {

// As the planner chooses them for deep models: seven levels beside two primes with room for masks.
ckks::ContextSpec refresh_spec() {
  return {.log_n = 14,
          .q_bits = {46, 45, 35, 35, 35, 35, 35, 35},
          .p_bits = {42, 43, 43},
          .digit_limbs = 3,
          .log_scale = 35,
          .wide_q1 = true};
}

struct Refresh : Fixture {
  Refresh()
      : Fixture(refresh_spec()),
        value(evaluator.drop_to(a, ckks::kRefreshLevel)),
        sent(ckks::mask_for_refresh(*context, value, top(), keys, prng)) {}

  double transform() const { return static_cast<double>(context->n()) / 2 * context->log_n(); }
  double limbs() const { return static_cast<double>(top().limbs()); }

  ckks::Ciphertext value;
  ckks::MaskedValue sent;
};

// Two limbs of an encryption of zero under u (u, and both errors), and the mask modulo all primes.
Prepared prepare_mask(const std::shared_ptr<Refresh>& r) {
  const auto n = static_cast<double>(r->context->n());
  return {.run =
              [r] {
                ring::Prng prng;
                ckks::mask_for_refresh(*r->context, r->value, r->top(), r->keys, prng);
              },
          .work = {.butterflies = (6 + r->limbs()) * r->transform(), .multiply_adds = 4 * n}};
}

// Reading, decryption, the same integers modulo all primes, and a fresh encryption of them.
Prepared prepare_turn(const std::shared_ptr<Refresh>& r) {
  const auto n = static_cast<double>(r->context->n());
  const auto bytes = std::make_shared<const ckks::Bytes>(ckks::serialize_rounded(*r->context, r->sent.masked));
  return {.run =
              [r, bytes] {
                ring::Prng prng;
                const ckks::Ciphertext received = ckks::parse_rounded(*r->context, *bytes);
                const ckks::Plaintext decrypted = ckks::secret::decrypt(r->key, received);
                ckks::secret::encrypt(r->key, ckks::lift(*r->context, decrypted, r->top()), prng);
              },
          .work = {.butterflies = (6 + 2 * r->limbs()) * r->transform(), .multiply_adds = (2 + r->limbs()) * n}};
}

Prepared prepare_unmask(const std::shared_ptr<Refresh>& r) {
  const auto n = static_cast<double>(r->context->n());
  return {.run = [r] { ckks::unmask(*r->context, r->a, r->sent.mask); }, .work = {.sums = r->limbs() * n}};
}

}  // namespace

void add_refresh_cases(std::vector<Case>& cases) {
  struct Part {
    const char* name;
    Prepared (*prepare)(const std::shared_ptr<Refresh>& refresh);
  };
  static constexpr Part kParts[] = {
      {"refresh_mask", prepare_mask}, {"refresh_client_turn", prepare_turn}, {"refresh_unmask", prepare_unmask}};
  const auto shared = std::make_shared<std::shared_ptr<Refresh>>();
  for (const Part& part : kParts)
    cases.push_back({.name = part.name,
                     .log_n = 14,
                     .limbs = static_cast<int>(refresh_spec().q_bits.size()),
                     .prepare = [shared, &part] {
                       if (!*shared) *shared = std::make_shared<Refresh>();
                       return part.prepare(*shared);
                     }});
}

}  // namespace thex::measure
