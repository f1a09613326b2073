#include "thex/base/json.h"

#include <set>
#include <utility>
#include <vector>

#include "thex/base/error.h"

namespace thex {

nlohmann::json parse_json(std::string_view text, const std::string& what, int max_depth) {
  using nlohmann::json;
  std::vector<std::set<std::string>> open_objects;
  const auto check = [&](int depth, json::parse_event_t event, json& value) {
    switch (event) {
      case json::parse_event_t::object_start:
        open_objects.emplace_back();
        [[fallthrough]];
      case json::parse_event_t::array_start:
        if (depth >= max_depth) {
          throw Error(ErrorCode::model, what + " nests deeper than " + std::to_string(max_depth) + " levels");
        }
        break;
      case json::parse_event_t::object_end:
        open_objects.pop_back();
        break;
      case json::parse_event_t::key: {
        auto key = value.get<std::string>();
        if (!open_objects.back().insert(key).second) {
          throw Error(ErrorCode::model, what + " has the key \"" + key + "\" twice");
        }
        break;
      }
      default:
        break;
    }
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), check);
  } catch (const json::parse_error& error) {
    throw Error(ErrorCode::model, what + " is not valid JSON near byte " + std::to_string(error.byte));
  } catch (const json::exception&) {
    throw Error(ErrorCode::model, what + " has a number or string that JSON does not allow");
  }
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kMost = 100;
  const std::string shown(text.size() > kMost ? text.substr(0, kMost) : text);
  return nlohmann::json(text.size() > kMost ? shown + "..." : shown)
      .dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

}  // namespace thex
