#include "thex/data/table.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "thex/base/error.h"
#include "thex/base/json.h"
#include "thex/data/csv.h"

namespace thex::data {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxColumns = 4096;
constexpr int kMaxDepth = 16;

void split_tabs(const std::string& line, std::vector<std::string>& fields) {
  fields.clear();
  std::size_t start = 0;
  for (std::size_t tab = line.find('\t'); tab != std::string::npos; tab = line.find('\t', start)) {
    fields.push_back(line.substr(start, tab - start));
    start = tab + 1;
  }
  fields.push_back(line.substr(start));
}

// Strings as they are, numbers and truth values as JSON writes them.
std::optional<std::string> scalar_text(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  return std::nullopt;
}

std::string without_nul(std::string text, const LineReader& lines, std::size_t line, const std::string& column) {
  if (text.find('\0') != std::string::npos)
    lines.fail_at(line, "the field " + in_quotes(column) + " has a NUL character");
  return text;
}

Cell cell_of(const json& value, const LineReader& lines, std::size_t line, const std::string& column) {
  if (auto text = scalar_text(value)) return {without_nul(*std::move(text), lines, line, column), std::nullopt};
  if (!value.is_array()) {
    lines.fail_at(line, "the field " + in_quotes(column) + " is " + (value.is_null() ? "null" : "an object") +
                            ", not a text, a number or an array of them");
  }
  std::vector<std::string> list;
  list.reserve(value.size());
  for (const json& element : value) {
    auto text = scalar_text(element);
    if (!text) {
      lines.fail_at(line, "element " + std::to_string(list.size()) + " of the field " + in_quotes(column) +
                              " is neither a text nor a number");
    }
    list.push_back(without_nul(*std::move(text), lines, line, column));
  }
  return {"", std::move(list)};
}

}  // namespace

std::optional<std::size_t> column_number(const std::string& column) {
  if (column.size() < 2 || column[0] != '#' || column[1] == '0') return std::nullopt;
  std::size_t number = 0;
  const char* const end = column.data() + column.size();
  const auto [at, error] = std::from_chars(column.data() + 1, end, number);
  if (error != std::errc{} || at != end || number > kMaxColumns) return std::nullopt;
  return number;
}

std::string quoted_list(const std::vector<std::string>& texts) {
  constexpr std::size_t kMost = 30;
  std::string out;
  for (std::size_t i = 0; i < std::min(texts.size(), kMost); ++i) out += (i ? ", " : "") + in_quotes(texts[i]);
  if (texts.size() > kMost) out += " and " + std::to_string(texts.size() - kMost) + " more";
  return out.empty() ? "none" : out;
}

TableReader::TableReader(LineReader& lines, Format format, std::vector<std::string> columns, bool header,
                         bool skip_short, std::vector<std::string> otherwise)
    : lines_(lines),
      format_(format),
      columns_(std::move(columns)),
      header_(header),
      skip_short_(skip_short),
      otherwise_(std::move(otherwise)) {
  if (format_ == Format::conll || format_ == Format::conllu)
    throw Error(ErrorCode::usage, "a CoNLL file is not a table with one example a row");
  if (format_ == Format::jsonl || format_ == Format::json || header_) return;
  for (const std::string& column : columns_) {
    if (!column_number(column)) {
      throw Error(ErrorCode::usage, "column " + in_quotes(column) + " is a name, but " + lines_.name() +
                                        " is read without a header line: say #1 for the first column");
    }
  }
}

// The next row that is not an empty line. Empty lines before it are counted: at the end of the file they are none.
bool TableReader::read_fields(std::size_t& line) {
  for (;;) {
    if (format_ == Format::csv) {
      if (!next_csv_record(lines_, fields_, line)) return false;
    } else {
      std::string text;
      if (!lines_.next(text)) return false;
      line = lines_.number();
      split_tabs(text, fields_);
    }
    if (fields_.size() > kMaxColumns) {
      lines_.fail_at(line, "the row has " + std::to_string(fields_.size()) + " columns, at most " +
                               std::to_string(kMaxColumns) + " are allowed; is this the right format?");
    }
    const bool empty = fields_.size() == 1 && fields_[0].empty() && lines_.number() == line;
    if (!empty) return true;
    if (empty_lines_++ == 0) empty_line_ = line;
  }
}

bool TableReader::names_all(const std::vector<std::string>& columns) const {
  return !columns.empty() && std::all_of(columns.begin(), columns.end(), [&](const std::string& name) {
    return std::find(fields_.begin(), fields_.end(), name) != fields_.end();
  });
}

// What a first line that lacks a column looks like and what to do; empty when it looks like nothing else.
std::string TableReader::header_advice() const {
  if (std::any_of(fields_.begin(), fields_.end(), [](const std::string& f) { return f.find('\r') != f.npos; }))
    return "; the file's lines end in carriage returns alone; convert it with tr '\\r' '\\n'";
  if (names_all(unlabelled_))
    return "; name the column of the labels with --label-column; a file without any, as test files are published, is "
           "for 'thex classify'";
  const std::string& first = fields_.front();
  if (first.starts_with('{')) return "; the file seems to have one JSON object a line; say --format jsonl";
  if (first.starts_with('[')) return "; the file seems to be JSON; say --format json";
  if (fields_.size() == 1) {
    if (first.find('\t') != first.npos) return "; its columns seem to be separated by tabs; say --format tsv";
    if (first.find(';') != first.npos)
      return "; its columns seem to be separated by semicolons; save it with commas (csv) or tabs (tsv)";
    if (first.find(',') != first.npos) return "; its columns seem to be separated by commas; say --format csv";
  }
  return "";
}

std::size_t TableReader::position(const std::string& column) const {
  const auto found = std::find(fields_.begin(), fields_.end(), column);
  if (header_ && found != fields_.end()) {
    if (std::find(found + 1, fields_.end(), column) != fields_.end()) {
      lines_.fail("the header line names the column " + in_quotes(column) +
                  " twice; say its number (#1 for the first)");
    }
    return static_cast<std::size_t>(found - fields_.begin());
  }
  if (const auto number = column_number(column)) {
    if (*number <= fields_.size()) return *number - 1;
    lines_.fail("no column " + column + ": the row has " + std::to_string(fields_.size()) + " columns" +
                header_advice());
  }
  std::string advice = header_advice();
  if (advice.empty())
    advice =
        ": name the one that is meant (--text-column, --pair-column, --label-column), or another format (--format tsv, "
        "csv, json or jsonl; of tagged words conll or conllu)";
  lines_.fail("no column " + in_quotes(column) + "; the header line has " + quoted_list(fields_) + advice);
}

void TableReader::find_columns() {
  if (names_all(otherwise_)) {
    columns_ = otherwise_;
    header_ = true;
  }
  field_count_ = fields_.size();
  for (const std::string& column : columns_) positions_.push_back(position(column));
}

// The next row. Empty lines before a row of one column are rows themselves.
bool TableReader::next_fields(std::size_t& line) {
  if (!ready_) {
    if (!read_fields(ready_line_)) return false;
    ready_ = true;
    if (empty_lines_ > 0 && field_count_ != 1) lines_.fail_at(empty_line_, "an empty line between rows; remove it");
  }
  empty_row_ = empty_lines_ > 0;
  if (empty_row_) {
    --empty_lines_;
    line = empty_line_++;
  } else {
    ready_ = false;
    line = ready_line_;
  }
  return true;
}

bool TableReader::next(Row& row) {
  if (format_ == Format::jsonl || format_ == Format::json) return next_object(row);
  while (next_fields(row.line)) {
    if (empty_row_) {
      row.cells.assign(positions_.size(), {});
      return true;
    }
    if (!started_) {
      started_ = true;
      find_columns();
      if (header_) continue;
    }
    if (fields_.size() < field_count_ && skip_short_) {
      ++skipped_;
      continue;
    }
    if (fields_.size() != field_count_) {
      lines_.fail_at(row.line, "the row has " + std::to_string(fields_.size()) + " columns, the " +
                                   (header_ ? "header line" : "first row") + " has " + std::to_string(field_count_));
    }
    row.cells.clear();
    for (const std::size_t at : positions_) row.cells.push_back({fields_[at], std::nullopt});
    return true;
  }
  return false;
}

// The next object of an array, or the next line.
bool TableReader::object_text(std::string& text, std::size_t& line) {
  if (!started_) {
    started_ = true;
    if (format_ == Format::json && lines_.peek_visible() == '[') array_.emplace(lines_);
  }
  if (array_) return array_->next(text, line);
  std::size_t empty_line = 0;
  do {
    if (!lines_.next(text)) return false;
    if (text.empty() && empty_line == 0) empty_line = lines_.number();
  } while (text.empty());
  if (empty_line) lines_.fail_at(empty_line, "an empty line between objects; remove it");
  line = lines_.number();
  return true;
}

bool TableReader::next_object(Row& row) {
  std::string text;
  if (!object_text(text, row.line)) return false;
  fill_row(text, row);
  return true;
}

void TableReader::fill_row(const std::string& text, Row& row) const {
  const std::string advice = array_ ? "; a JSON array has one object an example"
                             : format_ == Format::json
                                 ? "; a .json file is an array of objects, or has one object a line"
                                 : "; a JSON-lines file has one object a line (an array of objects: --format json)";
  const std::string what = array_ ? "the element" : "the line";
  json object;
  try {
    object = parse_json(text, lines_.origin(row.line) + ": " + what, kMaxDepth);
  } catch (const Error& error) {
    throw Error(ErrorCode::input, error.what() + advice);
  }
  if (!object.is_object()) lines_.fail_at(row.line, what + " is no JSON object" + advice);
  row.cells.clear();
  for (const std::string& column : columns_) {
    const auto found = object.find(column);
    if (found == object.end()) {
      std::vector<std::string> keys;
      for (const auto& [key, value] : object.items()) keys.push_back(key);
      lines_.fail_at(row.line, "no field " + in_quotes(column) + "; the object has " + quoted_list(keys) +
                                   ": name the one that is meant (--text-column, --pair-column, --label-column)");
    }
    row.cells.push_back(cell_of(*found, lines_, row.line, column));
  }
}

}  // namespace thex::data
