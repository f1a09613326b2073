#include "thex/ckks/answer.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>

#include "thex/ckks/detail/checks.h"
#include "thex/ckks/detail/wiped.h"
#include "thex/ckks/rerandomise.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

using ring::kernels;

constexpr std::size_t kSmallestRing = 32;  // of NttTable
constexpr LimbIndex kOnly(0);              // an answer is at level 0

void check_answer(const char* operation, const Context& context, const Ciphertext& answer) {
  check_shape(operation, context, answer, 2, 2);
  if (answer.level != 0) refuse(operation, "an answer at level " + to_string(answer.level) + "; expected level 0");
}

// row = the flood on the coefficients of the subring and uniform residues on all others, NTT domain.
void sample_cover(const Context& context, const AnswerHiding& hiding, ring::Prng& prng, std::uint64_t* row) {
  const std::size_t n = context.n(), shown = 2 * hiding.period, stride = n / shown;
  const ring::Modulus& q = context.prime(kOnly);
  if (stride > 1) ring::sample_uniform(prng, row, n, q);
  const std::uint64_t mask = (std::uint64_t{2} << hiding.flooding_bits) - 1;
  const std::int64_t half = std::int64_t{1} << hiding.flooding_bits;
  for (std::size_t i = 0; i < shown; ++i) {
    const auto flood = static_cast<std::uint64_t>(static_cast<std::int64_t>(prng.next() & mask) - half);
    row[i * stride] = flood + (q.value() & (0 - (flood >> 63)));
  }
  kernels().ntt_forward(row, context.ntt(kOnly));
}

// part number `part` of the pair of uniform polynomials that a binding stands for.
ring::Poly binding_part(const Context& context, const Binding& binding, std::size_t index, std::size_t part) {
  return binding_polynomial(context, binding, 2 * index + part, 0);
}

}  // namespace

Ciphertext hide_answer(const Evaluator& evaluator, const Ciphertext& result, const EvaluationKeys& keys,
                       const AnswerHiding& hiding, const Binding& binding, std::size_t index, ring::Prng& prng) {
  static constexpr const char* kName = "hide_answer";
  const Context& context = evaluator.context();
  check_answer(kName, context, result);
  check_hiding(kName, context, hiding);
  Ciphertext answer = evaluator.add(result, evaluator.multiply_i(result));
  rerandomise(context, answer, keys, hiding.zeros, prng);
  WipedPoly cover(context.n(), 1);
  sample_cover(context, hiding, prng, cover.limb(kOnly));
  const ring::Modulus& q = context.prime(kOnly);
  std::uint64_t* const first = answer.parts[0].limb(kOnly);
  kernels().add(first, first, cover.limb(kOnly), context.n(), q);
  for (std::size_t part = 0; part < 2; ++part) {
    std::uint64_t* const row = answer.parts[part].limb(kOnly);
    kernels().add(row, row, binding_part(context, binding, index, part).limb(kOnly), context.n(), q);
  }
  return answer;
}

Ciphertext unbind_answer(const Context& context, Ciphertext answer, const Binding& binding, std::size_t index) {
  check_answer("unbind_answer", context, answer);
  for (std::size_t part = 0; part < 2; ++part) {
    std::uint64_t* const row = answer.parts[part].limb(kOnly);
    kernels().sub(row, row, binding_part(context, binding, index, part).limb(kOnly), context.n(), context.prime(kOnly));
  }
  return answer;
}

std::vector<std::complex<double>> read_answer(const Context& context, const Encoder& encoder,
                                              const Plaintext& decrypted, std::size_t period) {
  static constexpr const char* kName = "read_answer";
  check_period(kName, context, period);
  if (decrypted.level != 0 || decrypted.poly.limbs() != 1 || decrypted.poly.n() != context.n())
    refuse(kName, "a plaintext of " + std::to_string(decrypted.poly.n()) + " coefficients at level " +
                      to_string(decrypted.level) + " is no decrypted answer");
  ring::Poly all = decrypted.poly;
  all.mark_secret();
  kernels().ntt_inverse(all.limb(kOnly), context.ntt(kOnly));
  // The subring's coefficients alone, as a compact plaintext.
  const std::size_t shown = 2 * period, n = std::max(shown, kSmallestRing);
  Plaintext compact{ring::Poly(n, 1), 0, decrypted.scale};
  compact.poly.mark_secret();
  std::fill_n(compact.poly.limb(kOnly), n, std::uint64_t{0});
  for (std::size_t i = 0; i < shown; ++i)
    compact.poly.limb(kOnly)[i * (n / shown)] = all.limb(kOnly)[i * (context.n() / shown)];
  kernels().ntt_forward(compact.poly.limb(kOnly), context.small_ntt(kOnly, std::countr_zero(n)));
  std::vector<std::complex<double>> slots = encoder.decode(compact), values(period);
  std::copy_n(slots.begin(), period, values.begin());
  sodium_memzero(slots.data(), slots.size() * sizeof(slots[0]));
  return values;
}

}  // namespace thex::ckks
