// Text from outside on its way to a screen, a log or a line of results: labels, texts, file names, a peer's messages.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace thex {

// Whether a code point could change what a terminal shows around it: the control characters C0, DEL and C1 (Unicode's
// category Cc), line and paragraph separators, and the controls of bidirectional text (UAX #9, section 2).
bool is_terminal_control(char32_t c);

// `text` on one line that a terminal shows as it is: each such character, and each byte that is not UTF-8, is written
// as an escape (\n, \t, \r, \x1b, \u202e, \xff). Everything else is unchanged, a backslash too: this is for reading,
// not for parsing.
std::string printable(std::string_view text);

// A path in a message: 'models/my model'.
std::string quoted(const std::filesystem::path& path);

// A JSON text that was written on one line, with such characters as JSON's escapes (\u009b): the same value. JSON
// writers escape C0 alone.
std::string printable_json(std::string_view json);

}  // namespace thex
