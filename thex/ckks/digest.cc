#include "thex/ckks/digest.h"

namespace thex::ckks {

void update(Hasher& to, const Context& context) {
  const auto& [log_n, q_bits, p_bits, digit_limbs, log_scale, wide_q1] = context.spec();
  to.number(log_n);
  to.numbers(q_bits);
  to.numbers(p_bits);
  to.number(digit_limbs);
  to.number(log_scale);
  to.number(wide_q1 ? 1 : 0);
  for (const LimbIndex i : LimbRange(0, context.prime_count())) to.number(context.prime(i).value());
}

void update(Hasher& to, const KeyRequirements& keys) {
  const auto& [rotations, relinearization_level, conjugation_level] = keys;
  to.list(rotations, [&](const auto& rotation) {
    const auto& [steps, level] = rotation;
    to.number(steps);
    to.number(level.number());
  });
  to.number(relinearization_level.number());
  to.number(conjugation_level.number());
}

void update(Hasher& to, const AnswerHiding& hiding) {
  const auto& [period, flooding_bits, zeros] = hiding;
  to.number(period);
  to.number(flooding_bits);
  to.number(zeros);
}

}  // namespace thex::ckks
