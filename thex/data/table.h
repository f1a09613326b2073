// Rows of tab-separated, comma-separated and JSON files, reduced to the columns that are asked for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "thex/data/json_array.h"
#include "thex/data/lines.h"
#include "thex/data/task.h"

namespace thex::data {

struct Cell {
  std::string text;
  std::optional<std::vector<std::string>> list;  // JSON only: an array of strings and numbers
};

struct Row {
  std::size_t line = 0;     // where it starts
  std::vector<Cell> cells;  // in the order in which the columns were asked for
};

class TableReader {
 public:
  // `format` is not conll. `columns`: names, or "#3" for the third; a name goes before a position. JSON has names only.
  // `otherwise`: names to take in their place when the first line has all of them. Throws Error(usage) for a name where
  // there is no header line. `lines` must outlive the reader.
  TableReader(LineReader& lines, Format format, std::vector<std::string> columns, bool header, bool skip_short = false,
              std::vector<std::string> otherwise = {});

  // Columns of the files of this kind that have no labels: a message about a missing column says so when it is such a
  // file.
  void set_unlabelled(std::vector<std::string> columns) { unlabelled_ = std::move(columns); }

  // False at the end. Empty lines at the end of the file are ignored; between rows of one column they are rows. Throws
  // Error(input) with name and line for a column that is missing or named twice (with those that are there), a row with
  // another number of columns than the first one, more than 4096 columns, an empty line between rows, a line that is no
  // JSON object or nests deeper than 16 levels, and a field that is neither text nor number nor an array of these.
  bool next(Row& row);

  std::size_t skipped() const { return skipped_; }  // rows left out by skip_short

 private:
  bool read_fields(std::size_t& line);
  bool next_fields(std::size_t& line);
  bool next_object(Row& row);
  bool object_text(std::string& text, std::size_t& line);
  void fill_row(const std::string& text, Row& row) const;
  void find_columns();
  std::size_t position(const std::string& column) const;
  bool names_all(const std::vector<std::string>& columns) const;
  std::string header_advice() const;

  LineReader& lines_;
  Format format_;
  std::vector<std::string> columns_;
  bool header_, skip_short_, started_ = false;
  std::vector<std::string> otherwise_, unlabelled_;
  std::optional<JsonArrayReader> array_;
  std::size_t skipped_ = 0;
  // A row that was read and is not given yet, and the empty lines before it: how many, and where the first one is.
  bool ready_ = false, empty_row_ = false;
  std::size_t ready_line_ = 0, empty_lines_ = 0, empty_line_ = 0;
  std::vector<std::string> fields_;  // of the present row
  std::size_t field_count_ = 0;      // of every row
  std::vector<std::size_t> positions_;
};

// The number that "#3" says (3); nothing for another text.
std::optional<std::size_t> column_number(const std::string& column);

// "a", "b", "c" .. of what a file has.
std::string quoted_list(const std::vector<std::string>& texts);

}  // namespace thex::data
