// Encoded plaintexts of one context, each kept once: the programs for several length buckets multiply by the same
// weights.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <tuple>

#include "thex/ckks/encoder.h"

namespace thex::circuit {

// Safe to share between threads.
class PlaintextStore {
 public:
  explicit PlaintextStore(ckks::ContextPtr context);

  // One period of a vector at a level and scale (`complex`: the real parts, then the imaginary ones), with residues
  // modulo the special primes if `extended`: the same object for equal arguments while somebody holds it. Errors are
  // the encoder's.
  std::shared_ptr<const ckks::Plaintext> get(std::span<const double> values, bool complex, ckks::Level level,
                                             double scale, bool extended);

  // Of all that are held.
  std::size_t bytes() const;
  const ckks::Encoder& encoder() const { return encoder_; }

 private:
  // The BLAKE2b hash of the values, their number, complex, level, bits of the scale, extended.
  using Key = std::tuple<std::array<std::uint64_t, 4>, std::size_t, bool, ckks::Level, std::uint64_t, bool>;

  ckks::Encoder encoder_;
  mutable std::mutex mutex_;
  std::map<Key, std::weak_ptr<const ckks::Plaintext>> held_;
};

// One period of a vector at a level and scale, as PlaintextStore::get.
ckks::Plaintext encode_plain(const ckks::Encoder& encoder, std::span<const double> values, bool complex,
                             ckks::Level level, double scale, bool extended);

// Of its residues.
std::size_t bytes_of(const ckks::Plaintext& plaintext);

}  // namespace thex::circuit
