// The options of a training as one list: each row has a name, a member, bounds and a help text. The command line, the
// fingerprints of checkpoints and the report are made from the list, so that none of them can leave an option out.
#pragma once

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace thex::convert {

// What a default may depend on beside the other options.
struct Circumstances {
  int hidden = 0;            // the model's width
  std::size_t examples = 0;  // of training, without variants
  double tokens = 0;         // of an example, on average
};

// A lower bound that excludes zero.
inline constexpr double kAboveZero = std::numeric_limits<double>::min();

// Who reads an option, where not every training does.
template <typename Options>
struct Readers {
  bool (*reads)(const Options& options) = nullptr;  // null: every training
  const char* help = "";                            // after the row's help text
};

template <typename Options>
struct OptionRow {
  const char* name;  // "min_steps"; on the command line --min-steps
  std::variant<int Options::*, long Options::*, std::size_t Options::*, double Options::*> member;
  double least, most;  // what may be typed
  // Null: set by the program, not by the user.
  const char* help;
  // The default where it is not the member's own initial value. `so_far` has the rows above this one.
  double (*suited)(const Options& so_far, const Circumstances& circumstances) = nullptr;
  Readers<Options> readers = {};
};

// The shortest of two usual notations that gives exactly `value` when it is read again.
inline std::string number_text(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%g", value);
  if (std::strtod(text, nullptr) != value) std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

// "--plain-min-steps" for the prefix "plain-".
inline std::string flag_of(const std::string& name, const std::string& prefix = "") {
  std::string flag = "--" + prefix + name;
  for (char& c : flag)
    if (c == '_') c = '-';
  return flag;
}

template <typename Options>
std::string value_text(const OptionRow<Options>& row, const Options& options) {
  return std::visit([&](auto member) { return number_text(static_cast<double>(options.*member)); }, row.member);
}

// Whether `text` is a number between the bounds, and a whole one where that is wanted, as CLI11 wants it: a message, or
// nothing. CLI11 puts the option's name before it.
inline std::string bounds_message(const std::string& text, bool whole, double least, double most) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const bool decimal = text.find_first_not_of("+-0123456789") == std::string::npos;
  const bool number = !text.empty() && end == text.c_str() + text.size() && (decimal || !whole);
  if (number && value >= least && value <= most) return "";
  const auto bound = [](double limit) {
    char digits[40];
    std::snprintf(digits, sizeof digits, limit == std::floor(limit) ? "%.0f" : "%g", limit);
    return std::string(digits);
  };
  return text + " is not a " + (whole ? "whole " : "") + "number between " +
         (least == kAboveZero ? "0 (not included)" : bound(least)) + " and " + bound(most);
}
// The same for an option that is in no list.
inline void bound_option(CLI::Option* option, double least, double most) {
  option->check([=](const std::string& text) { return bounds_message(text, true, least, most); }, "", "bounds");
}

// The rows with a help text as options that write into `into`. A default that depends on circumstances is for the help
// text to say.
template <typename Options>
void add_options(CLI::App& app, std::span<const OptionRow<Options>> rows, Options& into,
                 const std::string& prefix = "") {
  for (const OptionRow<Options>& row : rows) {
    if (row.help == nullptr) continue;
    const std::string help = row.help + std::string(row.readers.help);
    CLI::Option* const option = std::visit(
        [&](auto member) { return app.add_option(flag_of(row.name, prefix), into.*member, help); }, row.member);
    const bool whole = !std::holds_alternative<double Options::*>(row.member);
    const double least = row.least, most = row.most;
    option->check([=](const std::string& text) { return bounds_message(text, whole, least, most); }, "", "bounds");
    if (row.suited == nullptr) option->default_str(value_text(row, into));
  }
}

// The names of the rows that a command line named.
template <typename Options>
std::set<std::string> given_options(const CLI::App& app, std::span<const OptionRow<Options>> rows) {
  std::set<std::string> given;
  for (const OptionRow<Options>& row : rows)
    if (row.help != nullptr && app.count(flag_of(row.name)) > 0) given.insert(row.name);
  return given;
}

template <typename Options, typename Value>
void assign(Options& options, Value Options::*member, double value) {
  options.*member = static_cast<Value>(value);
}

// `typed` with the suited default in every row that has one and was not given.
template <typename Options>
Options with_defaults(Options typed, std::span<const OptionRow<Options>> rows, const std::set<std::string>& given,
                      const Circumstances& circumstances) {
  for (const OptionRow<Options>& row : rows) {
    if (row.suited == nullptr || given.count(row.name)) continue;
    const double value = row.suited(typed, circumstances);
    std::visit([&](auto member) { assign(typed, member, value); }, row.member);
  }
  return typed;
}

// Names and values of all rows, for reports: "min_steps", "400".
template <typename Options>
std::vector<std::pair<std::string, std::string>> option_values(std::span<const OptionRow<Options>> rows,
                                                               const Options& options, const std::string& prefix = "") {
  std::vector<std::pair<std::string, std::string>> values;
  for (const OptionRow<Options>& row : rows) values.emplace_back(prefix + row.name, value_text(row, options));
  return values;
}

// All rows as one text that differs when any value does, for fingerprints.
template <typename Options>
std::string describe_options(std::span<const OptionRow<Options>> rows, const Options& options) {
  std::string text;
  for (const auto& [name, value] : option_values(rows, options)) text += name + "=" + value + ";";
  return text;
}

}  // namespace thex::convert
