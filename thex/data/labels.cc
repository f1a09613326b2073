#include "thex/data/labels.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "thex/base/error.h"
#include "thex/base/json.h"
#include "thex/data/table.h"

namespace thex::data {
namespace {

constexpr const char* kDenials[] = {"not_", "not-", "not ", "no_", "no-", "no ",
                                    "non_", "non-", "non",  "un",  "in",  "not"};

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

// "label_1" as "label_" and 1; a number as nothing and itself.
std::pair<std::string, std::optional<double>> numbered(const std::string& label) {
  if (const auto value = parse_value(label)) return {"", value};
  const std::size_t digits = label.find_last_not_of("0123456789") + 1;
  return {label.substr(0, digits), parse_value(label.substr(digits))};
}

// Whether `a` is what `b` denies, or the larger of two numbers; both in lower case.
bool affirms(const std::string& a, const std::string& b) {
  const auto [a_name, a_number] = numbered(a);
  const auto [b_name, b_number] = numbered(b);
  if (a_number && b_number && a_name == b_name) return *a_number > *b_number;
  static constexpr std::pair<const char*, const char*> kOpposites[] = {
      {"true", "false"}, {"yes", "no"}, {"positive", "negative"}, {"pos", "neg"}, {"good", "bad"}, {"spam", "ham"},
      {"y", "n"},        {"t", "f"}};
  for (const auto& [yes, no] : kOpposites)
    if (a == yes && b == no) return true;
  return std::any_of(std::begin(kDenials), std::end(kDenials), [&](const char* denial) { return b == denial + a; });
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
  const bool numbers =
      std::all_of(names.begin(), names.end(), [](const std::string& name) { return parse_value(name).has_value(); });
  std::sort(names.begin(), names.end());
  if (numbers) {
    std::stable_sort(names.begin(), names.end(),
                     [](const std::string& a, const std::string& b) { return *parse_value(a) < *parse_value(b); });
  }
  return names;
}

std::optional<std::size_t> positive_class(const TaskSpec& task) {
  const bool two = task.kind == model::Task::classification && task.labels.size() == 2;
  if (!task.positive.empty()) {
    if (!two) {
      throw Error(ErrorCode::usage, "--positive-label goes with two classes; this task has " +
                                        std::to_string(task.labels.size()) + " labels (" + quoted_list(task.labels) +
                                        ")");
    }
    for (std::size_t i = 0; i < 2; ++i)
      if (task.labels[i] == task.positive) return i;
    for (std::size_t i = 0; i < 2; ++i)
      if (lower(task.labels[i]) == lower(task.positive)) return i;
    if (const auto index = LabelIndex(task.labels).find(task.positive)) return static_cast<std::size_t>(*index);
    throw Error(ErrorCode::usage,
                "--positive-label " + in_quotes(task.positive) + " is none of the labels " + quoted_list(task.labels));
  }
  if (!two) return std::nullopt;
  return affirms(lower(task.labels[0]), lower(task.labels[1])) ? 0 : 1;
}

void require_distinct(const std::vector<std::string>& model, const std::string& config) {
  std::vector<std::string> sorted = model;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice == sorted.end()) return;
  throw Error(ErrorCode::model, config + ": field \"id2label\" names the label " + in_quotes(*twice) +
                                    " twice: give each output a name of its own");
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
