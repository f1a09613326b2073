#include "thex/circuit/run/plaintext_store.h"

#include <sodium.h>

#include <bit>
#include <complex>
#include <utility>

namespace thex::circuit {

std::size_t bytes_of(const ckks::Plaintext& plaintext) {
  return plaintext.poly.n() * (plaintext.poly.limbs() + plaintext.special.limbs()) * sizeof(std::uint64_t);
}

ckks::Plaintext encode_plain(const ckks::Encoder& encoder, std::span<const double> values, bool complex,
                             ckks::Level level, double scale, bool extended) {
  if (!complex) return extended ? encoder.encode_extended(values, level, scale) : encoder.encode(values, level, scale);
  const std::size_t period = values.size() / 2;
  std::vector<std::complex<double>> pairs(period);
  for (std::size_t i = 0; i < period; ++i) pairs[i] = {values[i], values[period + i]};
  return extended ? encoder.encode_extended(std::span<const std::complex<double>>(pairs), level, scale)
                  : encoder.encode(std::span<const std::complex<double>>(pairs), level, scale);
}

PlaintextStore::PlaintextStore(ckks::ContextPtr context) : encoder_(std::move(context)) {}

std::shared_ptr<const ckks::Plaintext> PlaintextStore::get(std::span<const double> values, bool complex,
                                                           ckks::Level level, double scale, bool extended) {
  std::array<std::uint64_t, 4> hash;
  crypto_generichash(reinterpret_cast<unsigned char*>(hash.data()), sizeof hash,
                     reinterpret_cast<const unsigned char*>(values.data()), values.size_bytes(), nullptr, 0);
  const Key key{hash, values.size(), complex, level, std::bit_cast<std::uint64_t>(scale), extended};
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = held_.find(key); it != held_.end())
      if (auto plaintext = it->second.lock()) return plaintext;
  }
  auto made = std::make_shared<const ckks::Plaintext>(encode_plain(encoder_, values, complex, level, scale, extended));
  const std::lock_guard lock(mutex_);
  std::weak_ptr<const ckks::Plaintext>& entry = held_[key];
  if (auto earlier = entry.lock()) return earlier;  // another thread was faster
  entry = made;
  return made;
}

std::size_t PlaintextStore::bytes() const {
  const std::lock_guard lock(mutex_);
  std::size_t sum = 0;
  for (const auto& [key, entry] : held_)
    if (const auto plaintext = entry.lock()) sum += bytes_of(*plaintext);
  return sum;
}

}  // namespace thex::circuit
