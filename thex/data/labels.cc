#include "thex/data/labels.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "thex/base/error.h"
#include "thex/base/json.h"
#include "thex/data/table.h"

namespace thex::data {
namespace {

std::optional<int> parse_index(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// LABEL_0, LABEL_1 .. or 0, 1 ..
bool unnamed(const std::vector<std::string>& labels) {
  const auto counted = [&](const std::string& prefix) {
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] != prefix + std::to_string(i)) return false;
    }
    return true;
  };
  return counted("LABEL_") || counted("");
}

}  // namespace

LabelIndex::LabelIndex(std::vector<std::string> names) : names_(std::move(names)) {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (!index_.emplace(names_[i], static_cast<int>(i)).second) {
      throw Error(ErrorCode::usage, "the label " + in_quotes(names_[i]) + " is named twice");
    }
  }
  numbers_allowed_ =
      std::none_of(names_.begin(), names_.end(), [](const auto& n) { return parse_value(n).has_value(); });
}

std::optional<int> LabelIndex::find(const std::string& text) const {
  if (const auto found = index_.find(text); found != index_.end()) return found->second;
  if (!numbers_allowed_) return std::nullopt;
  const auto index = parse_index(text);
  if (!index || static_cast<std::size_t>(*index) >= names_.size()) return std::nullopt;
  return index;
}

std::optional<std::string> LabelIndex::name_of(const std::string& text) const {
  const auto index = find(text);
  if (!index) return std::nullopt;
  return names_[static_cast<std::size_t>(*index)];
}

std::string LabelIndex::allowed() const {
  std::string out = quoted_list(names_);
  if (numbers_allowed_ && !names_.empty()) out += ", or a number from 0 to " + std::to_string(names_.size() - 1);
  return out;
}

std::optional<double> parse_value(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::vector<std::string> in_label_order(std::vector<std::string> names) {
  std::vector<std::string> sorted(names.size());
  for (const std::string& name : names) {
    const auto index = parse_index(name);
    if (!index || static_cast<std::size_t>(*index) >= names.size() || std::to_string(*index) != name) return names;
    sorted[static_cast<std::size_t>(*index)] = name;
  }
  return sorted;  // distinct, and as many as there are numbers below n
}

std::vector<int> match_labels(const std::vector<std::string>& task, const std::vector<std::string>& model) {
  if (task.size() != model.size()) {
    throw Error(ErrorCode::usage, "the task has " + std::to_string(task.size()) + " labels (" + quoted_list(task) +
                                      "), the model " + std::to_string(model.size()) + " (" + quoted_list(model) +
                                      "): name the task that the model was made for");
  }
  const bool same_order = unnamed(model);
  std::vector<int> out;
  for (std::size_t i = 0; i < task.size(); ++i) {
    const auto found = std::find_if(model.begin(), model.end(),
                                    [&](const std::string& label) { return lower(label) == lower(task[i]); });
    if (same_order) {
      out.push_back(static_cast<int>(i));
    } else if (found != model.end()) {
      out.push_back(static_cast<int>(found - model.begin()));
    } else {
      throw Error(ErrorCode::usage, "the task's label " + in_quotes(task[i]) + " is none of the model's (" +
                                        quoted_list(model) + "): name the task that the model was made for");
    }
  }
  return out;
}

}  // namespace thex::data
