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

ConllReader::ConllReader(LineReader& lines, const std::vector<std::string>& columns) : lines_(lines) {
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

bool ConllReader::next(Sentence& sentence) {
  sentence.columns.assign(positions_.size(), {});
  bool any = false;
  std::string line;
  while (lines_.next(line)) {
    const std::vector<std::string_view> fields = split_blanks(line);
    if (fields.empty() || fields[0] == "-DOCSTART-") {
      if (any) return true;
      continue;
    }
    if (fields.size() > kMaxColumns) {
      lines_.fail("the line has " + std::to_string(fields.size()) + " columns, at most " + std::to_string(kMaxColumns) +
                  " are allowed; a CoNLL file has one word a line");
    }
    if (field_count_ == 0) field_count_ = fields.size();
    if (fields.size() != field_count_) {
      lines_.fail("the line has " + std::to_string(fields.size()) + " columns, the lines before have " +
                  std::to_string(field_count_));
    }
    if (!any) sentence.line = lines_.number();
    any = true;
    for (std::size_t i = 0; i < positions_.size(); ++i) {
      const std::size_t at = positions_[i] == kLast ? fields.size() - 1 : positions_[i];
      if (at >= fields.size()) {
        lines_.fail("no column #" + std::to_string(at + 1) + ": the line has " + std::to_string(fields.size()) +
                    " columns between blanks");
      }
      sentence.columns[i].emplace_back(fields[at]);
    }
  }
  return any;
}

bool is_iob(const std::string& tag) {
  return tag == "O" || tag == "B" || tag == "I" || (tag.size() > 2 && (tag.starts_with("B-") || tag.starts_with("I-")));
}

std::string entity_type(const std::string& tag) { return tag.size() > 2 ? tag.substr(2) : ""; }

void convert_to_iob2(std::vector<std::string>& tags) {
  bool inside = false;
  std::string type;
  for (std::string& tag : tags) {
    if (tag == "O") {
      inside = false;
      continue;
    }
    if (tag[0] == 'I' && (!inside || entity_type(tag) != type)) tag[0] = 'B';
    inside = true;
    type = entity_type(tag);
  }
}

bool is_iob2(const std::vector<std::string>& labels) {
  return !labels.empty() && std::all_of(labels.begin(), labels.end(), [&](const std::string& label) {
    return is_iob(label) &&
           (label[0] != 'I' || std::find(labels.begin(), labels.end(), "B" + label.substr(1)) != labels.end());
  });
}

std::vector<Entity> entities_of(const std::vector<std::string>& tags) {
  std::vector<Entity> out;
  bool inside = false;
  for (std::size_t i = 0; i < tags.size(); ++i) {
    const std::string& tag = tags[i];
    if (tag == "O") {
      inside = false;
      continue;
    }
    const std::string type = entity_type(tag);
    if (tag[0] == 'I' && inside && out.back().type == type) {
      out.back().end = i + 1;
    } else {
      out.push_back({i, i + 1, type});
    }
    inside = true;
  }
  return out;
}

}  // namespace thex::data
