#include "thex/ckks/binding.h"

#include <utility>

#include "thex/ckks/detail/checks.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

// first part = `combine`(first part, the polynomial of `place`), a sum or a difference.
Ciphertext with_first_part(const char* operation, const Context& context, Ciphertext ciphertext, const Binding& binding,
                           std::uint64_t place, decltype(ring::Kernels::add) combine) {
  check_shape(operation, context, ciphertext, 2, 2);
  ring::Poly& first = ciphertext.parts[0];
  const ring::Poly other = binding_polynomial(context, binding, place, ciphertext.level);
  for (const LimbIndex l : ciphertext.level.primes())
    combine(first.limb(l), first.limb(l), other.limb(l), first.n(), context.prime(l));
  return ciphertext;
}

}  // namespace

ring::Poly binding_polynomial(const Context& context, const Binding& binding, std::uint64_t number, Level level) {
  ring::Poly poly(context.n(), level.limbs());
  ring::Prng prng(binding, number);
  for (const LimbIndex l : level.primes()) ring::sample_uniform(prng, poly.limb(l), poly.n(), context.prime(l));
  return poly;
}

Ciphertext bind_ciphertext(const Context& context, Ciphertext ciphertext, const Binding& binding, std::uint64_t place) {
  return with_first_part("bind_ciphertext", context, std::move(ciphertext), binding, place, ring::kernels().add);
}

Ciphertext unbind_ciphertext(const Context& context, Ciphertext ciphertext, const Binding& binding,
                             std::uint64_t place) {
  return with_first_part("unbind_ciphertext", context, std::move(ciphertext), binding, place, ring::kernels().sub);
}

}  // namespace thex::ckks
