// Examples of any task from a stream, one after the other.
#pragma once

#include <filesystem>
#include <fstream>
#include <istream>
#include <memory>
#include <optional>
#include <string>

#include "thex/data/conll.h"
#include "thex/data/example.h"
#include "thex/data/labels.h"
#include "thex/data/lines.h"
#include "thex/data/table.h"
#include "thex/data/tags.h"
#include "thex/data/task.h"

namespace thex::data {

class ExampleReader {
 public:
  // `name` stands for the stream in messages. Without a label column examples have no labels, and the task needs none.
  // Throws Error(usage) for a task whose kind, format and columns do not go together. `stream` must outlive the reader.
  ExampleReader(std::istream& stream, const std::string& name, const TaskSpec& task);

  // Nothing at the end. Reads no further than the example needs (a CoNLL sentence ends with the line after it). Errors
  // as read_examples.
  std::optional<Example> next();
  // Where the last example starts: "dev.tsv:12".
  std::string origin() const { return lines_.origin(line_); }
  const ReadCounts& counts() const { return counts_; }
  // The scheme that the tags read so far are written in ("IOB1"), before they became those of the task's labels; empty
  // where they are of none.
  std::string tag_scheme() const { return observed_.scheme(); }

 private:
  bool read(Example& example);
  bool read_sentence(Example& example);
  void fill_words(Example& example, std::vector<std::string> words, std::vector<std::string> tags);
  void convert(std::vector<std::string>& tags) const;
  int label_of(const std::string& text) const;

  LineReader lines_;
  model::Task kind_;
  bool pairs_, labelled_, skip_empty_;
  std::optional<TagScheme> scheme_;  // of the task's labels, for token classification
  TagObserver observed_;
  ReadCounts counts_;
  LabelIndex labels_;
  std::optional<TableReader> table_;
  std::optional<ConllReader> conll_;
  std::size_t line_ = 0;
};

// A file's stream. Throws Error(file) when it cannot be opened or is no regular file: a folder, a pipe, a device.
std::ifstream open_data_file(const std::filesystem::path& file);

}  // namespace thex::data
