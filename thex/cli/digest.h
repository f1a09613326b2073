// Digests of what a run reads, to know it again: BLAKE2b (RFC 7693) of 16 bytes over parts with their lengths.
#pragma once

#include <sodium.h>

#include <string>
#include <string_view>

#include "thex/cli/text_source.h"

namespace thex::cli {

class Digest {
 public:
  Digest();
  void add(std::string_view part);
  // 32 hexadecimal digits; nothing is added after that.
  std::string finish();

 private:
  crypto_generichash_state state_;
};

// A text, its second text and its words.
void add(Digest& digest, const Text& text);

}  // namespace thex::cli
