#include "thex/ckks/digest.h"

namespace thex::ckks {

void update(Hasher& to, const Context& context) {
  const auto& [log_n, q_bits, p_bits, digit_limbs, log_scale] = context.spec();
  to.number(log_n);
  to.numbers(q_bits);
  to.numbers(p_bits);
  to.number(digit_limbs);
  to.number(log_scale);
  for (std::size_t i = 0; i < context.prime_count(); ++i) to.number(context.prime(i).value());
}

void update(Hasher& to, const KeyRequirements& keys) {
  const auto& [rotations, relinearization_level, conjugation_level] = keys;
  to.list(rotations, [&](const auto& rotation) {
    const auto& [steps, level] = rotation;
    to.number(steps);
    to.number(level);
  });
  to.number(relinearization_level);
  to.number(conjugation_level);
}

void update(Hasher& to, const AnswerHiding& hiding) {
  const auto& [period, flooding_bits, zeros] = hiding;
  to.number(period);
  to.number(flooding_bits);
  to.number(zeros);
}

}  // namespace thex::ckks
