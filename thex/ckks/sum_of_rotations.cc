#include "thex/ckks/sum_of_rotations.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "thex/ckks/detail/checks.h"
#include "thex/ckks/detail/rotated.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {

Ciphertext sum_of_rotations(const Context& context, std::span<const Ciphertext* const> inputs,
                            std::span<const int> steps, const EvaluationKeys& keys, const ParallelFor& parallel) {
  static constexpr const char* kName = "sum_of_rotations";
  check_inputs(kName, context, inputs);
  if (steps.size() != inputs.size()) {
    refuse(kName, std::to_string(inputs.size()) + " inputs and " + std::to_string(steps.size()) + " rotations");
  }
  const Level level = inputs[0]->level;
  // Several rotations of one input share its digits.
  std::map<const Ciphertext*, RotationSource> sources;
  std::vector<RotationSource*> decomposed;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    check_same_scale(kName, inputs[0]->scale, inputs[k]->scale);
    RotationSource& source = sources.try_emplace(inputs[k], RotationSource{inputs[k], std::nullopt}).first->second;
    if (context.galois_element(steps[k]) != 1 && std::ranges::find(decomposed, &source) == decomposed.end()) {
      decomposed.push_back(&source);
    }
  }
  const bool alone = decomposed.size() == 1;
  parallel(decomposed.size(), [&](std::size_t k) { decomposed[k]->decompose(context, alone ? parallel : serial_for); });
  std::vector<Rotated> rotated;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    rotated.emplace_back(kName, context, sources.at(inputs[k]), steps[k], keys);
  }

  Extended sum(context, level);
  parallel(sum.parts[0].limbs(), [&](std::size_t position) {
    const LimbIndex index = limb_prime(context, level, position);
    RangeScratch scratch(context);
    scratch.product.use_prime(index);
    ring::Buffer one(2 * kRange);
    for (std::size_t at = 0; at < context.n(); at += kRange) {
      const Row out[2] = {sum.parts[0].limb(position) + at, sum.parts[1].limb(position) + at};
      const Row next[2] = {one.data(), one.data() + kRange};
      for (std::size_t k = 0; k < rotated.size(); ++k) {
        rotated[k].range(position, at, k == 0 ? out : next, scratch);
        for (std::size_t p = 0; k > 0 && p < 2; ++p) {
          ring::kernels().add(out[p], out[p], next[p], kRange, context.prime(index));
        }
      }
    }
  });
  return divide(context, level, inputs[0]->scale, special_divisor(context, level), sum, parallel);
}

}  // namespace thex::ckks
