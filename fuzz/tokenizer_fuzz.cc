// Any bytes as a text (and a pair, after the first NUL): an Error(input), or ids of the vocabulary within the limit.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "thex/base/error.h"
#include "thex/text/tokenizer.h"

namespace {

const thex::text::Tokenizer& tokenizer(bool lower_case) {
  static const auto make = [](bool lower) {
    return thex::text::Tokenizer::from_tokens(
        {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "b", "##b", "the", "##ing", "e", "##e", "\u4e2d",
         "\u00df", "##\u00df", "!", "\u1112"},
        lower);
  };
  static const auto lower = make(true), cased = make(false);
  return lower_case ? lower : cased;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const int max_length = 3 + (data[0] & 0x3f);
  const auto& subject = tokenizer(data[0] & 0x40);
  const std::string_view all(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t zero = all.find('\0');
  std::optional<std::string_view> pair;
  if (zero != std::string_view::npos) pair = all.substr(zero + 1);
  try {
    const auto encoding = subject.encode(all.substr(0, zero), pair, max_length);
    if (encoding.ids.size() > static_cast<std::size_t>(max_length) || encoding.ids.size() != encoding.type_ids.size() ||
        encoding.ids.front() != 2 || encoding.ids.back() != 3) {
      std::abort();
    }
    for (const auto id : encoding.ids) {
      if (id < 0 || id >= subject.vocab_size()) std::abort();
    }
  } catch (const thex::Error& error) {
    if (error.code() != thex::ErrorCode::input) std::abort();
  }
  return 0;
}
