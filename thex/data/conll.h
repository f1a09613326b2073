// Sentences in CoNLL's column format (Tjong Kim Sang and De Meulder 2003) and the IOB tags within.
#pragma once

#include <string>
#include <vector>

#include "thex/data/lines.h"

namespace thex::data {

struct Sentence {
  std::size_t line = 0;                           // of the first word
  std::vector<std::vector<std::string>> columns;  // for each column that was asked for, one text a word
};

// One word a line, its columns between blanks or tabs; an empty line or a line that starts with -DOCSTART- ends a
// sentence.
class ConllReader {
 public:
  // `columns`: "#1", "#4", "#last". Throws Error(usage) for a name. `lines` must outlive the reader.
  ConllReader(LineReader& lines, const std::vector<std::string>& columns);

  // False at the end. Throws Error(input) with name and line for a column that is not there, more than 4096 columns, or
  // lines with different numbers of columns.
  bool next(Sentence& sentence);

 private:
  LineReader& lines_;
  std::vector<std::size_t> positions_;
  std::size_t field_count_ = 0;  // of every line; 0 before the first one
};

// Whether a tag is "O", or "B" or "I" with or without "-TYPE".
bool is_iob(const std::string& tag);
// "PER" of "B-PER"; empty for "O", "B" and "I".
std::string entity_type(const std::string& tag);

// One sentence's IOB1 tags as IOB2: every entity starts with B. IOB2 tags stay what they are. In IOB1 a B only parts
// two adjacent entities of one type, and an I after another type or O starts one.
void convert_to_iob2(std::vector<std::string>& tags);

// Whether all are IOB tags, and every type that may go on (I) may also start (B).
bool is_iob2(const std::vector<std::string>& labels);

// Words [begin, end) of one entity.
struct Entity {
  std::size_t begin = 0, end = 0;
  std::string type;
  bool operator==(const Entity&) const = default;
};
// The entities of one sentence, in order, as conlleval finds them in IOB1 and IOB2 tags alike: one starts at a B, and
// at an I that follows O or another type; it goes on over I of its type.
std::vector<Entity> entities_of(const std::vector<std::string>& tags);

}  // namespace thex::data
