#include "thex/base/json.h"

#include <utility>
#include <vector>

#include "thex/base/error.h"
#include "thex/base/printable.h"

namespace thex {
namespace {

using nlohmann::json;

// Builds the value from the events of the parser, each in constant or logarithmic time. (The library's own parser with
// a callback looks through all earlier members of an object or array whenever one more ends, which takes quadratic
// time.)
class Builder : public nlohmann::json_sax<json> {
 public:
  Builder(const std::string& what, int max_depth) : what_(what), max_depth_(static_cast<std::size_t>(max_depth)) {}

  bool null() override { return add(json(nullptr)); }
  bool boolean(bool value) override { return add(json(value)); }
  bool number_integer(number_integer_t value) override { return add(json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return add(json(value)); }
  bool number_float(number_float_t value, const string_t&) override { return add(json(value)); }
  bool string(string_t& value) override { return add(json(std::move(value))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    const auto [it, added] = open_.back()->get_ref<json::object_t&>().try_emplace(std::move(name));
    if (!added) throw Error(ErrorCode::model, what_ + " has the key " + in_quotes(it->first) + " twice");
    member_ = &it->second;
    return true;
  }
  bool parse_error(std::size_t byte, const std::string&, const nlohmann::detail::exception& error) override {
    if (dynamic_cast<const json::parse_error*>(&error) != nullptr)
      throw Error(ErrorCode::model, what_ + " is not valid JSON near byte " + std::to_string(byte));
    throw Error(ErrorCode::model, what_ + " has a number or string that JSON does not allow");
  }

  json take() { return std::move(root_); }

 private:
  // Puts the value where the parser stands, and says where it is now. References stay valid: only the innermost open
  // array grows.
  json* place(json value) {
    if (open_.empty()) return &(root_ = std::move(value));
    if (open_.back()->is_object()) return &(*member_ = std::move(value));
    auto& array = open_.back()->get_ref<json::array_t&>();
    array.push_back(std::move(value));
    return &array.back();
  }
  bool add(json value) {
    place(std::move(value));
    return true;
  }
  bool open(json value) {
    if (open_.size() >= max_depth_)
      throw Error(ErrorCode::model, what_ + " nests deeper than " + std::to_string(max_depth_) + " levels");
    open_.push_back(place(std::move(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& what_;
  std::size_t max_depth_;
  json root_;
  std::vector<json*> open_;  // from the outermost object or array to the innermost
  json* member_ = nullptr;   // of the innermost, when it is an object: the member whose key was read last
};

}  // namespace

json parse_json(std::string_view text, const std::string& what, int max_depth) {
  Builder builder(what, max_depth);
  try {
    json::sax_parse(text.begin(), text.end(), &builder);
  } catch (const json::exception&) {
    throw Error(ErrorCode::model, what + " has a number or string that JSON does not allow");
  }
  return builder.take();
}

std::string json_line(const nlohmann::ordered_json& json) {
  return printable_json(json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kMost = 100;
  const std::string shown(text.size() > kMost ? text.substr(0, kMost) : text);
  return json(text.size() > kMost ? shown + "..." : shown).dump(-1, ' ', true, json::error_handler_t::replace);
}

}  // namespace thex
