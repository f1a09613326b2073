// UTF-8 checks and the character classes of BERT's text clean-up. Internal to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace thex::text {

// The position of the first byte that is not part of a well-formed UTF-8 sequence (surrogates, overlong forms and
// values above U+10FFFF are not well-formed).
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

// The code points of well-formed UTF-8.
std::vector<char32_t> decode_utf8(std::string_view text);
void append_utf8(std::string& text, char32_t c);

// What Hugging Face's BertNormalizer removes: U+0000, U+FFFD, and categories Cc, Cf, Co except tab and line ends.
bool is_removed(char32_t c);
bool is_space(char32_t c);            // Unicode's White_Space
bool is_punctuation(char32_t c);      // ASCII punctuation and symbols, and the categories P*
bool is_nonspacing_mark(char32_t c);  // category Mn
bool is_cjk(char32_t c);              // the ideograph blocks that BERT surrounds with spaces
char32_t to_lower(char32_t c);        // simple mapping, one code point to one
// Canonical decomposition (NFD).
std::vector<char32_t> decompose(const std::vector<char32_t>& text);

}  // namespace thex::text
