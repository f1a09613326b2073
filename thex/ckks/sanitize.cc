#include "thex/ckks/sanitize.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "thex/ckks/detail/checks.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

using ring::kernels;

// row = the NTT of these integers modulo prime i.
template <typename Integer>
void write_ntt(const Context& context, const std::vector<Integer>& integers, std::size_t i, std::uint64_t* row) {
  const ring::Modulus& q = context.prime(i);
  for (std::size_t k = 0; k < integers.size(); ++k) row[k] = q.from_signed(integers[k]);
  kernels().ntt_forward(row, context.ntt(i));
}

}  // namespace

double flooding_deviation(const Context& context, double scale, int flooding_bits) {
  // N coefficients of variance 4^k / 3 give slots of complex variance N 4^k / 3, half of it in the real part.
  return std::ldexp(std::sqrt(static_cast<double>(context.n()) / 6), flooding_bits) / scale;
}

int flooding_bits(const Context& context, double scale, double slot_deviation) {
  return static_cast<int>(std::floor(std::log2(slot_deviation / flooding_deviation(context, scale, 0))));
}

Ciphertext sanitize(const Context& context, Ciphertext answer, const SwitchingKey& key, int flooding_bits,
                    ring::Prng& prng) {
  static constexpr const char* kName = "sanitize";
  check_shape(kName, context, answer, 2, 2);
  if (answer.level + 1 > context.spec().digit_limbs)
    refuse(kName, "level " + std::to_string(answer.level) + " has primes of more than one digit");
  if (flooding_bits < 0 || flooding_bits > 50 ||
      std::ldexp(1.0, flooding_bits + 2) > static_cast<double>(context.prime(0).value()))
    refuse(kName, "2^" + std::to_string(flooding_bits) + " of noise; expected 0..50 and less than a quarter of q_0");
  if (key.b.size() < 2)
    throw Error(ErrorCode::keys, "sanitize: a switching key of one digit holds no encryption of zero");
  const std::size_t n = context.n();
  std::vector<std::int8_t> mask(n), error(n);
  ring::sample_ternary(prng, mask.data(), n);
  ring::sample_gaussian(prng, error.data(), n);
  std::vector<std::int64_t> flood(n);
  const std::uint64_t range = (std::uint64_t{2} << flooding_bits) - 1;
  for (std::int64_t& x : flood) x = static_cast<std::int64_t>(prng.next() & range) - (std::int64_t{1} << flooding_bits);
  ring::Poly mask_row(n, 1), row(n, 1);
  for (std::size_t i = 0; i <= static_cast<std::size_t>(answer.level); ++i) {
    const ring::Modulus& q = context.prime(i);
    write_ntt(context, mask, i, mask_row.limb(0));
    for (std::size_t p = 0; p < 2; ++p) {
      std::uint64_t* const to = answer.parts[p].limb(i);
      kernels().mul(row.limb(0), (p == 0 ? key.b : key.a)[1].limb(i), mask_row.limb(0), n, q);
      kernels().add(to, to, row.limb(0), n, q);
      if (p == 0) {
        write_ntt(context, flood, i, row.limb(0));
      } else {
        write_ntt(context, error, i, row.limb(0));
      }
      kernels().add(to, to, row.limb(0), n, q);
    }
  }
  return answer;
}

}  // namespace thex::ckks
