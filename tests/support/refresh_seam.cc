#include "tests/support/refresh_seam.h"

#include <mutex>
#include <utility>

#include "tests/support/coefficients.h"
#include "thex/ckks/masked_refresh.h"
#include "thex/ckks/rerandomise.h"

namespace thex::support {
namespace {

struct Seam {
  std::mutex mutex;
  bool open = false;
  Weakening weakening = Weakening::none;
  int bits = 0;
  RefreshSeam::Look look;
  std::vector<Refreshed> refreshed;
};
Seam seam;
thread_local bool inside_refresh = false;
struct Inside {
  Inside() { inside_refresh = true; }
  ~Inside() { inside_refresh = false; }
};

constexpr Wide kStart = Wide{1} << ckks::kLogMaskRoom;  // of the masks' interval

// The mask, and what was masked with it, with another integer in the place of each.
template <typename F>
void change_mask(const ckks::Context& context, ckks::MaskedValue& value, const F& changed) {
  const std::vector<Wide> masks = coefficients(context, value.mask);
  const ckks::Level target = ckks::Level::of_limbs(value.mask.limbs());
  ring::Poly difference(context.n(), target.limbs());
  for (const ckks::LimbIndex l : target.primes()) {
    const ring::Modulus& q = context.prime(l);
    for (std::size_t i = 0; i < masks.size(); ++i)
      difference.limb(l)[i] = q.sub(q.reduce128(kStart + changed(masks[i] - kStart)), q.reduce128(masks[i]));
    ring::kernels().ntt_forward(difference.limb(l), context.ntt(l));
    const auto add = [&](ring::Poly& to) {
      ring::kernels().add(to.limb(l), to.limb(l), difference.limb(l), context.n(), q);
    };
    add(value.mask);
    if (l < value.masked.parts[0].limbs()) add(value.masked.parts[0]);
  }
}

}  // namespace

RefreshSeam::RefreshSeam(Weakening weakening, int bits) {
  const std::lock_guard lock(seam.mutex);
  seam.open = true;
  seam.weakening = weakening;
  seam.bits = bits;
  seam.refreshed.clear();
}

RefreshSeam::RefreshSeam(Look look) : RefreshSeam() {
  const std::lock_guard lock(seam.mutex);
  seam.look = std::move(look);
}

RefreshSeam::~RefreshSeam() {
  const std::lock_guard lock(seam.mutex);
  seam.open = false;
  seam.look = nullptr;
  seam.weakening = Weakening::none;
  seam.refreshed.clear();
}

std::vector<Refreshed> RefreshSeam::take() {
  const std::lock_guard lock(seam.mutex);
  return std::exchange(seam.refreshed, {});
}

ckks::MaskedValue
real_mask_for_refresh(const ckks::Context& context, const ckks::Ciphertext& value, ckks::Level target, const ckks::EvaluationKeys& keys, ring::Prng& prng) __asm__(
    "__real__ZN4thex4ckks16mask_for_refreshERKNS0_7ContextERKNS0_10CiphertextENS0_5LevelERKNS0_14EvaluationKeysERNS_"
    "4ring4PrngE");
ckks::MaskedValue
mask_for_refresh_seen(const ckks::Context& context, const ckks::Ciphertext& value, ckks::Level target, const ckks::EvaluationKeys& keys, ring::Prng& prng) __asm__(
    "__wrap__ZN4thex4ckks16mask_for_refreshERKNS0_7ContextERKNS0_10CiphertextENS0_5LevelERKNS0_14EvaluationKeysERNS_"
    "4ring4PrngE");
void real_rerandomise(const ckks::Context& context, ckks::Ciphertext& value, const ckks::EvaluationKeys& keys, std::size_t count, ring::Prng& prng) __asm__(
    "__real__ZN4thex4ckks11rerandomiseERKNS0_7ContextERNS0_10CiphertextERKNS0_14EvaluationKeysEmRNS_4ring4PrngE");
void rerandomise_unless_left_out(const ckks::Context& context, ckks::Ciphertext& value, const ckks::EvaluationKeys& keys, std::size_t count, ring::Prng& prng) __asm__(
    "__wrap__ZN4thex4ckks11rerandomiseERKNS0_7ContextERNS0_10CiphertextERKNS0_14EvaluationKeysEmRNS_4ring4PrngE");

ckks::MaskedValue mask_for_refresh_seen(const ckks::Context& context, const ckks::Ciphertext& value, ckks::Level target,
                                        const ckks::EvaluationKeys& keys, ring::Prng& prng) {
  ckks::MaskedValue result = [&] {
    const Inside inside;
    return real_mask_for_refresh(context, value, target, keys, prng);
  }();
  const std::lock_guard lock(seam.mutex);
  if (!seam.open) return result;
  if (seam.look) {
    seam.look(result.mask);
    return result;
  }
  const Wide low = (Wide{1} << seam.bits) - 1;
  if (seam.weakening == Weakening::short_mask) change_mask(context, result, [low](Wide r) { return r & low; });
  if (seam.weakening == Weakening::coarse_mask) change_mask(context, result, [low](Wide r) { return r & ~low; });
  seam.refreshed.push_back({value, result.masked});
  return result;
}

void rerandomise_unless_left_out(const ckks::Context& context, ckks::Ciphertext& value,
                                 const ckks::EvaluationKeys& keys, std::size_t count, ring::Prng& prng) {
  if (inside_refresh) {
    const std::lock_guard lock(seam.mutex);
    if (seam.weakening == Weakening::no_zero) return;
  }
  real_rerandomise(context, value, keys, count, prng);
}

}  // namespace thex::support
