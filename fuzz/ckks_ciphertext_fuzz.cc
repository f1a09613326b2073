// Any bytes as a ciphertext, in full or in short form, or a public key: an Error(protocol), or an object that is
// written and read again unchanged.
#include <cstdlib>

#include "fuzz/ckks_fuzz.h"
#include "thex/ckks/rounded_ciphertext.h"

using namespace thex;
using namespace thex::ckks;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Context& context = fuzz::small_context();
  fuzz::with_and_without_header(data, size, [&](ByteView bytes) {
    const auto ciphertext = fuzz::parsed([&] { return parse_ciphertext(context, bytes); });
    if (ciphertext) {
      const Bytes written = serialize(context, *ciphertext);
      if (written.size() != ciphertext_bytes(context, ciphertext->level, false)) std::abort();
      if (serialize(context, parse_ciphertext(context, written)) != written) std::abort();
    }
    const auto rounded = fuzz::parsed([&] { return parse_rounded(context, bytes); });
    if (rounded) {
      const Bytes written = serialize_rounded(context, *rounded);
      if (serialize_rounded(context, parse_rounded(context, written)) != written) std::abort();
    }
    const auto key = fuzz::parsed([&] { return parse_public_key(context, bytes); });
    if (key && !fuzz::same(serialize(context, *key), bytes)) std::abort();
  });
  return 0;
}
