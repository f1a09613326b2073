// Digests of what a run reads, to know it again: the first 16 bytes of a BLAKE2b (RFC 7693) over parts with their
// lengths.
#pragma once

#include <string>
#include <string_view>

#include "thex/base/hasher.h"
#include "thex/base/hex.h"
#include "thex/cli/text_source.h"

namespace thex::cli {

class Digest {
 public:
  void add(std::string_view part) { hasher_.text(part); }
  // 32 hexadecimal digits; nothing is added after that.
  std::string finish() { return hex(hasher_.finish()).substr(0, 32); }

 private:
  Hasher hasher_{"thex run input 1"};
};

// A text, its second text and its words.
void add(Digest& digest, const Text& text);

}  // namespace thex::cli
