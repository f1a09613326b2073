// Any bytes as evaluation keys: an Error(protocol), or keys that the requirements name and that are written as they
// were read.
#include <cstdlib>

#include "fuzz/ckks_fuzz.h"

using namespace thex;
using namespace thex::ckks;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Context& context = fuzz::small_context();
  const KeyRequirements required{{{1, 1}, {-1, 0}}, 1, 0};
  fuzz::with_and_without_header(data, size, [&](ByteView bytes) {
    const auto key = fuzz::parsed([&] { return parse_switching_key(context, bytes); });
    if (key && !fuzz::same(serialize(context, *key), bytes)) std::abort();
    const auto keys = fuzz::parsed([&] { return parse_evaluation_keys(context, bytes, required); });
    if (keys) {
      if (!fuzz::same(serialize(context, *keys), bytes)) std::abort();
      if (bytes.size() > evaluation_keys_bytes(context, required) || keys->galois.size() > 3) std::abort();
    }
  });
  return 0;
}
