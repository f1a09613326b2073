// JSON that comes from outside, and JSON that goes there.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace thex {

// Parses `text`; `what` names it in messages ("config.json"). Throws Error(model) for text that is not JSON, nests
// deeper than `max_depth`, or repeats a key within one object.
nlohmann::json parse_json(std::string_view text, const std::string& what, int max_depth);

// A value on one line without characters that a terminal obeys (base/printable.h); strings that are not UTF-8, such as
// file names, are written as they can be.
std::string json_line(const nlohmann::ordered_json& json);

// `text` in quotes on one line, for messages: control and non-ASCII characters escaped, shortened beyond 100
// characters.
std::string in_quotes(std::string_view text);

}  // namespace thex
