// Sentences in CoNLL's column formats: that of 2003 (Tjong Kim Sang and De Meulder) and CoNLL-U (Nivre et al. 2020).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "thex/data/lines.h"

namespace thex::data {

struct Sentence {
  std::size_t line = 0;                           // of the first word
  std::vector<std::vector<std::string>> columns;  // for each column that was asked for, one text a word
};

// One word a line, its columns between blanks or tabs; an empty line or a line that starts with -DOCSTART- ends a
// sentence. In CoNLL-U columns lie between tabs, lines that start with # are comments, and lines of several words (1-2)
// and of words that are not written (1.1) are left out.
class ConllReader {
 public:
  enum class Style { conll2003, conllu };
  // `columns`: "#1", "#4", "#last". Throws Error(usage) for a name. `lines` must outlive the reader.
  ConllReader(LineReader& lines, const std::vector<std::string>& columns, Style style = Style::conll2003);

  // False at the end. Throws Error(input) with name and line for a column that is not there, more than 4096 columns, or
  // lines with different numbers of columns.
  bool next(Sentence& sentence);

 private:
  std::vector<std::string_view> fields_of(const std::string& line) const;
  void check_count(std::size_t fields);

  LineReader& lines_;
  Style style_;
  std::vector<std::size_t> positions_;
  std::size_t field_count_ = 0;  // of every line; 0 before the first one
};

}  // namespace thex::data
