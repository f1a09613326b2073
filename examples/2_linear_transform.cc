// Example 2: a matrix times an encrypted vector, by hand.
//
// The diagonal method: y = sum over d of diagonal_d * (x rotated by d). Plaintexts that repeat every 64 slots are kept
// compact (128 words a prime instead of N). Baby steps and giant steps, with shared digits (hoisting), make 14
// rotations of 63; the whole transform is one operation that divides once.
#include <cmath>
#include <cstdio>
#include <vector>

#include "thex/ckks/context.h"
#include "thex/ckks/encoder.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/linear_transform.h"
#include "thex/ckks/secret/secret.h"

int main() {
  using namespace thex;
  constexpr int kSize = 64, kBaby = 8;  // 8 baby steps, 8 giant steps

  const ckks::ContextPtr context =
      ckks::Context::create({.log_n = 13, .q_bits = {46, 36, 36}, .p_bits = {48}, .digit_limbs = 1, .log_scale = 36});
  const ckks::Level top = context->max_level();
  ring::Prng prng;
  const auto secret = ckks::secret::SecretKey::generate(context, prng);

  // Rotations by 1 .. 7 (baby steps) and by 8 (the giant step, taken seven times by Horner's rule): eight keys.
  ckks::KeyRequirements needed;
  for (int step = 1; step <= kBaby; ++step) needed.rotations[step] = top;
  const ckks::EvaluationKeys keys = ckks::secret::make_evaluation_keys(secret, needed, prng);

  // An orthogonal-looking matrix and a vector that fills the slots again and again, so that rotations are cyclic within
  // it.
  const auto matrix = [](int row, int column) { return std::cos(0.1 * (row + 1) * (column + 2)) / 8; };
  std::vector<double> x(kSize);
  for (int i = 0; i < kSize; ++i) x[static_cast<std::size_t>(i)] = std::sin(i);

  // Diagonal d stands in the inner sum of giant step d / 8, rotated back by what that giant step will do. The
  // plaintexts' scale is the prime that the rescale divides by: the result has the canonical scale of its level.
  const ckks::Encoder encoder(context);
  const double scale =
      context->scale(top - 1) * static_cast<double>(context->prime(top.top()).value()) / context->scale(top);
  std::vector<ckks::Plaintext> diagonals;
  diagonals.reserve(kSize);
  ckks::LinearTransform transform{.giant_step = kBaby};
  for (int d = 0; d < kSize; ++d) {
    const int giant = d / kBaby, baby = d % kBaby;
    std::vector<double> diagonal(kSize);
    for (int i = 0; i < kSize; ++i) {
      const int row = (i - giant * kBaby + kSize) % kSize;
      diagonal[static_cast<std::size_t>(i)] = matrix(row, (row + d) % kSize);
    }
    diagonals.push_back(encoder.encode_extended(diagonal, top, scale));
    transform.at[giant].push_back({.input = 0, .steps = baby, .factor = &diagonals.back()});
  }

  std::vector<double> slots(context->slots());
  for (std::size_t i = 0; i < slots.size(); ++i) slots[i] = x[i % kSize];
  const ckks::Evaluator evaluator(context);
  const ckks::Ciphertext input =
      evaluator.expand(ckks::secret::encrypt(secret, encoder.encode_full(slots, top, context->scale(top)), prng));
  const ckks::Ciphertext* const inputs[] = {&input};
  const ckks::Ciphertext output = ckks::linear_transforms(*context, inputs, std::span(&transform, 1), keys).front();

  const std::vector<double> y = encoder.decode_real(ckks::secret::decrypt(secret, output));
  double worst = 0;
  for (int row = 0; row < kSize; ++row) {
    double expected = 0;
    for (int column = 0; column < kSize; ++column)
      expected += matrix(row, column) * x[static_cast<std::size_t>(column)];
    worst = std::max(worst, std::abs(y[static_cast<std::size_t>(row)] - expected));
  }
  std::printf("64 x 64 matrix, %zu rotation keys of %.1f MB; level %d -> %d; largest error 2^%.1f\n",
              keys.galois.size(), static_cast<double>(keys.bytes()) / 1e6, input.level.number(), output.level.number(),
              std::log2(worst));
  return worst < 0x1p-14 ? 0 : 1;
}
