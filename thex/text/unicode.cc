#include "thex/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>

#include "thex/base/error.h"

namespace thex::text {
namespace {

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

int combining_class(char32_t c) {
  return c < 0x300 ? 0 : static_cast<int>(utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class);
}

bool in(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

// Length of the well-formed sequence at the front of `text`, 0 when there is none; its code point in `c`.
std::size_t next(std::string_view text, char32_t& c) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) {
    c = first;
    return 1;
  }
  utf8proc_int32_t point = -1;
  const utf8proc_ssize_t n = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                              static_cast<utf8proc_ssize_t>(text.size()), &point);
  if (n <= 0 || point < 0) return 0;
  c = static_cast<char32_t>(point);
  return static_cast<std::size_t>(n);
}

}  // namespace

std::optional<std::size_t> first_invalid_utf8(std::string_view text) {
  char32_t c = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t n = next(text.substr(i), c);
    if (n == 0) return i;
    i += n;
  }
  return std::nullopt;
}

std::vector<char32_t> decode_utf8(std::string_view text) {
  std::vector<char32_t> points;
  points.reserve(text.size());
  char32_t c = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t n = next(text.substr(i), c);
    if (n == 0) throw Error(ErrorCode::input, "text is not UTF-8 at byte " + std::to_string(i));
    points.push_back(c);
    i += n;
  }
  return points;
}

void append_utf8(std::string& text, char32_t c) {
  if (c < 0x80) {
    text.push_back(static_cast<char>(c));
    return;
  }
  utf8proc_uint8_t buffer[4];
  const utf8proc_ssize_t n = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), buffer);
  text.append(reinterpret_cast<const char*>(buffer), static_cast<std::size_t>(n));
}

bool is_removed(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  if (c < 0x7f) return c < 0x20;
  if (c == 0xfffd) return true;
  const auto kind = category(c);
  return kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CF || kind == UTF8PROC_CATEGORY_CO;
}

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || in(c, '\t', '\r');
  return c == 0x85 || c == 0xa0 || c == 0x1680 || in(c, 0x2000, 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

bool is_punctuation(char32_t c) {
  if (c < 0x80) return in(c, '!', '/') || in(c, ':', '@') || in(c, '[', '`') || in(c, '{', '~');
  switch (category(c)) {
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return true;
    default:
      return false;
  }
}

bool is_nonspacing_mark(char32_t c) { return c >= 0x300 && category(c) == UTF8PROC_CATEGORY_MN; }

bool is_cjk(char32_t c) {
  return in(c, 0x4e00, 0x9fff) || in(c, 0x3400, 0x4dbf) || in(c, 0x20000, 0x2a6df) || in(c, 0x2a700, 0x2b73f) ||
         in(c, 0x2b740, 0x2b81f) || in(c, 0x2b820, 0x2ceaf) || in(c, 0xf900, 0xfaff) || in(c, 0x2f800, 0x2fa1f);
}

char32_t to_lower(char32_t c) {
  if (c < 0x80) return in(c, 'A', 'Z') ? c + 32 : c;
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

std::vector<char32_t> decompose(const std::vector<char32_t>& text) {
  std::vector<char32_t> result;
  result.reserve(text.size());
  for (const char32_t c : text) {
    if (c < 0xc0) {
      result.push_back(c);
      continue;
    }
    utf8proc_int32_t buffer[32];
    int boundary = 0;
    const utf8proc_ssize_t n =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), buffer, 32,
                                static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE), &boundary);
    if (n < 0 || n > 32) throw Error(ErrorCode::internal, "Unicode decomposition failed");
    for (utf8proc_ssize_t i = 0; i < n; ++i) result.push_back(static_cast<char32_t>(buffer[i]));
  }
  // Canonical ordering: each run of combining characters is sorted by class, equal classes keep their order.
  const auto less = [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); };
  for (auto first = result.begin(); first != result.end();) {
    if (combining_class(*first) == 0) {
      ++first;
      continue;
    }
    const auto last = std::find_if(first, result.end(), [](char32_t c) { return combining_class(c) == 0; });
    std::stable_sort(first, last, less);
    first = last;
  }
  return result;
}

}  // namespace thex::text
