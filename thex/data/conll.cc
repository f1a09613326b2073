#include "thex/data/conll.h"

#include <algorithm>
#include <string_view>

#include "thex/base/error.h"
#include "thex/base/json.h"
#include "thex/data/table.h"

namespace thex::data {
namespace {

constexpr std::size_t kMaxColumns = 4096;
constexpr std::size_t kLast = static_cast<std::size_t>(-1);

std::vector<std::string_view> split_blanks(std::string_view line) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t start = line.find_first_not_of(" \t");
    if (start == std::string_view::npos) return out;
    line.remove_prefix(start);
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    out.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

}  // namespace

ConllReader::ConllReader(LineReader& lines, const std::vector<std::string>& columns, Style style)
    : lines_(lines), style_(style) {
  for (const std::string& column : columns) {
    if (column == "#last") {
      positions_.push_back(kLast);
      continue;
    }
    const auto number = column_number(column);
    if (!number) {
      throw Error(ErrorCode::usage, "column " + in_quotes(column) +
                                        " is a name, but a CoNLL file has no header line: say #1 for the first column");
    }
    positions_.push_back(*number - 1);
  }
}

std::vector<std::string_view> ConllReader::fields_of(const std::string& line) const {
  if (style_ == Style::conll2003) return split_blanks(line);
  if (line.starts_with('#')) return {};
  std::vector<std::string_view> out;
  for (std::string_view rest = line; !rest.empty();) {
    const std::size_t tab = std::min(rest.find('\t'), rest.size());
    out.push_back(rest.substr(0, tab));
    rest.remove_prefix(std::min(tab + 1, rest.size()));
  }
  return out;
}

void ConllReader::check_count(std::size_t fields) {
  if (fields > kMaxColumns) {
    lines_.fail("the line has " + std::to_string(fields) + " columns, at most " + std::to_string(kMaxColumns) +
                " are allowed; a CoNLL file has one word a line");
  }
  if (field_count_ == 0) field_count_ = fields;
  if (fields != field_count_) {
    lines_.fail("the line has " + std::to_string(fields) + " columns, the lines before have " +
                std::to_string(field_count_));
  }
}

bool ConllReader::next(Sentence& sentence) {
  sentence.columns.assign(positions_.size(), {});
  bool any = false;
  std::string line;
  while (lines_.next(line)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (style_ == Style::conllu && !line.empty() &&
        (fields.empty() || fields[0].find_first_of("-.") != std::string_view::npos)) {
      continue;
    }
    if (fields.empty() || fields[0] == "-DOCSTART-") {
      if (any) return true;
      continue;
    }
    check_count(fields.size());
    if (!any) sentence.line = lines_.number();
    any = true;
    for (std::size_t i = 0; i < positions_.size(); ++i) {
      const std::size_t at = positions_[i] == kLast ? fields.size() - 1 : positions_[i];
      if (at >= fields.size()) {
        lines_.fail("no column #" + std::to_string(at + 1) + ": the line has " + std::to_string(fields.size()) +
                    " columns");
      }
      sentence.columns[i].emplace_back(fields[at]);
    }
  }
  return any;
}

}  // namespace thex::data
