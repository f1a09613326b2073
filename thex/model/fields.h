// The fields of a JSON object that comes from outside, read with messages that name the file, the field and its value.
// Internal to this folder.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "thex/base/error.h"
#include "thex/base/json.h"

namespace thex::model {

// The value on one line, shortened beyond 60 characters.
inline std::string show(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

// An object, and where it stands: "config.json". All throw Error(model).
class Fields {
 public:
  Fields(const nlohmann::json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) throw Error(ErrorCode::model, where_ + " is not a JSON object");
  }
  [[noreturn]] void fail(const std::string& name, const std::string& problem) const {
    throw Error(ErrorCode::model, where_ + ": field \"" + name + "\" " + problem);
  }
  // Null when the field is absent or null.
  const nlohmann::json* find(const std::string& name) const {
    const auto it = object_.find(name);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
  }
  int integer(const std::string& name, int low, int high, std::optional<int> missing = std::nullopt) const {
    const nlohmann::json* value = find(name);
    if (value == nullptr) {
      if (missing) return *missing;
      fail(name, "is missing");
    }
    if (!value->is_number_integer() || *value < low || *value > high) {
      fail(name,
           "is " + show(*value) + ", expected an integer from " + std::to_string(low) + " to " + std::to_string(high));
    }
    return value->get<int>();
  }
  double number(const std::string& name, double low, double high, double missing) const {
    const nlohmann::json* value = find(name);
    if (value == nullptr) return missing;
    if (!value->is_number() || !(value->get<double>() >= low) || !(value->get<double>() <= high)) {
      fail(name, "is " + show(*value) + ", expected a number from " + nlohmann::json(low).dump() + " to " +
                     nlohmann::json(high).dump());
    }
    return value->get<double>();
  }
  bool boolean(const std::string& name, bool missing) const {
    const nlohmann::json* value = find(name);
    if (value == nullptr) return missing;
    if (!value->is_boolean()) fail(name, "is " + show(*value) + ", expected true or false");
    return value->get<bool>();
  }
  // The index of the field's value in `choices`.
  std::size_t choice(const std::string& name, const std::vector<std::string>& choices, std::size_t missing) const {
    const nlohmann::json* value = find(name);
    if (value == nullptr) return missing;
    std::string expected;
    for (std::size_t i = 0; i < choices.size(); ++i) {
      if (*value == choices[i]) return i;
      expected += (i ? ", \"" : "\"") + choices[i] + "\"";
    }
    fail(name, "is " + show(*value) + ", supported: " + expected);
  }

 private:
  const nlohmann::json& object_;
  std::string where_;
};

}  // namespace thex::model
