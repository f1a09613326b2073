#include "thex/bert/dataset.h"

#include <charconv>
#include <string_view>

#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/bert/unicode.h"

namespace thex::bert {
namespace {

constexpr std::uint64_t kMaxFileBytes = 1ull << 30;
constexpr std::size_t kMaxLineBytes = 1u << 20;

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> columns;
  for (;;) {
    const std::size_t tab = line.find('\t');
    columns.push_back(line.substr(0, tab));
    if (tab == std::string_view::npos) return columns;
    line.remove_prefix(tab + 1);
  }
}

}  // namespace

std::vector<Example> read_tsv(const std::filesystem::path& path, const std::string& text_column,
                              const std::string& label_column, int label_count, const std::string& pair_column) {
  const std::string bytes = read_file(path, kMaxFileBytes);
  std::string_view rest = bytes;
  if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);  // a byte order mark, as in MRPC
  std::size_t line_number = 0;
  const auto fail = [&](const std::string& message) {
    throw Error(ErrorCode::input, path.string() + ":" + std::to_string(line_number) + ": " + message);
  };

  constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::size_t text_at = none, label_at = none, pair_at = none, column_count = 0;
  std::vector<Example> examples;
  while (!rest.empty()) {
    ++line_number;
    const std::size_t newline = rest.find('\n');
    std::string_view line = rest.substr(0, newline);
    rest = newline == std::string_view::npos ? std::string_view{} : rest.substr(newline + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > kMaxLineBytes) {
      fail("the line has " + std::to_string(line.size()) + " bytes, at most " + std::to_string(kMaxLineBytes) +
           " are allowed");
    }
    if (const auto byte = first_invalid_utf8(line)) fail("not UTF-8 at byte " + std::to_string(*byte) + " of the line");

    const std::vector<std::string_view> columns = split(line);
    if (line_number == 1) {
      const auto find = [&](const std::string& name) {
        for (std::size_t i = 0; i < columns.size(); ++i) {
          if (columns[i] == name) return i;
        }
        fail("no column \"" + name + "\" in the header line; use a tab-separated file whose first line names it");
        return none;
      };
      text_at = find(text_column);
      label_at = find(label_column);
      if (!pair_column.empty()) pair_at = find(pair_column);
      column_count = columns.size();
      continue;
    }
    if (line.empty() && rest.empty()) break;
    if (columns.size() != column_count) {
      fail("the line has " + std::to_string(columns.size()) + " columns, the header has " +
           std::to_string(column_count));
    }
    const std::string_view label = columns[label_at];
    Example example;
    const auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), example.label);
    if (error != std::errc{} || end != label.data() + label.size() || example.label < 0 ||
        example.label >= label_count) {
      fail("label \"" + std::string(label.substr(0, 40)) + "\" is not a number from 0 to " +
           std::to_string(label_count - 1));
    }
    example.text = columns[text_at];
    if (pair_at != none) example.pair = std::string(columns[pair_at]);
    examples.push_back(std::move(example));
  }
  if (examples.empty()) {
    throw Error(ErrorCode::input, path.string() + ": no examples after the header line");
  }
  return examples;
}

}  // namespace thex::bert
