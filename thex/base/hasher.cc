#include "thex/base/hasher.h"

#include <sodium.h>

#include <algorithm>
#include <new>
#include <string>

#include "thex/base/error.h"

namespace thex {
namespace {

using State = crypto_generichash_blake2b_state;

State* state_in(std::array<unsigned char, 384>& bytes) { return reinterpret_cast<State*>(bytes.data()); }

}  // namespace

Hasher::Hasher(std::string_view purpose) {
  static_assert(sizeof(State) <= sizeof state_ && alignof(State) <= 64);
  std::array<unsigned char, crypto_generichash_blake2b_PERSONALBYTES> personal{};
  if (purpose.size() > personal.size())
    throw Error(ErrorCode::internal, "the purpose of a digest has more than 16 bytes: " + std::string(purpose));
  // Chooses the implementation for this processor; harmless when it was called before.
  if (sodium_init() < 0) throw Error(ErrorCode::internal, "libsodium cannot be initialised");
  std::copy(purpose.begin(), purpose.end(), personal.begin());
  new (state_.data()) State;
  crypto_generichash_blake2b_init_salt_personal(state_in(state_), nullptr, 0, Digest{}.size(), nullptr,
                                                personal.data());
}

void Hasher::flush() {
  crypto_generichash_blake2b_update(state_in(state_), buffer_.data(), used_);
  used_ = 0;
}

void Hasher::bytes(const void* data, std::size_t size) {
  flush();
  crypto_generichash_blake2b_update(state_in(state_), static_cast<const unsigned char*>(data), size);
}

Hasher::Digest Hasher::finish() {
  flush();
  Digest result;
  crypto_generichash_blake2b_final(state_in(state_), result.data(), result.size());
  return result;
}

}  // namespace thex
