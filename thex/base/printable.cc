#include "thex/base/printable.h"

#include <fmt/format.h>
#include <utf8proc.h>

namespace thex {
namespace {

// Calls on_character(code point, its bytes) and on_byte(byte) for what is not UTF-8.
template <typename OnCharacter, typename OnByte>
void for_each(std::string_view text, const OnCharacter& on_character, const OnByte& on_byte) {
  while (!text.empty()) {
    utf8proc_int32_t c = 0;
    const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                         static_cast<utf8proc_ssize_t>(text.size()), &c);
    if (length <= 0) {
      on_byte(static_cast<unsigned char>(text[0]));
      text.remove_prefix(1);
    } else {
      on_character(static_cast<char32_t>(c), text.substr(0, static_cast<std::size_t>(length)));
      text.remove_prefix(static_cast<std::size_t>(length));
    }
  }
}

}  // namespace

bool is_terminal_control(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f || c == 0x2028 ||
         c == 0x2029 || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for_each(
      text,
      [&](char32_t c, std::string_view bytes) {
        if (!is_terminal_control(c)) {
          out += bytes;
        } else if (c == '\n' || c == '\t' || c == '\r') {
          out += c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r";
        } else {
          out += c < 0x80 ? fmt::format("\\x{:02x}", static_cast<std::uint32_t>(c))
                          : fmt::format("\\u{:04x}", static_cast<std::uint32_t>(c));
        }
      },
      [&](unsigned char byte) { out += fmt::format("\\x{:02x}", byte); });
  return out;
}

std::string quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

std::string printable_json(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  for_each(
      json,
      [&](char32_t c, std::string_view bytes) {
        if (is_terminal_control(c)) {
          out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(c));
        } else {
          out += bytes;
        }
      },
      [&](unsigned char) { out += "\\ufffd"; });
  return out;
}

}  // namespace thex
