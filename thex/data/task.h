// What is to be learnt from a data set: the kind of task, its labels, the layout of its files, and how it is judged.
//
// Presets are GLUE's tasks in GLUE's own file layouts (Wang et al. 2018) and CoNLL-2003 NER (Tjong Kim Sang and
// De Meulder 2003). Everything else is said with columns.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "thex/data/example.h"
#include "thex/model/config.h"

namespace thex::data {

enum class Metric { accuracy, f1, matthews, pearson, spearman, entity_f1 };
// "accuracy", "f1", ..
const char* name(Metric metric);

enum class Format {
  tsv,    // tab-separated, GLUE's way: quotes are ordinary characters
  csv,    // comma-separated, RFC 4180
  jsonl,  // one JSON object a line; columns are its fields
  conll,  // one word a line with its columns between blanks, sentences end at an empty line, -DOCSTART- lines are
          // skipped
};

// Which columns hold what. A column is a name from the header line or the JSON object, or "#3" for the third one; in a
// conll file "#last" is the last one of each line. Words and tags of a token classification stand between blanks in tsv
// and csv, in arrays or between blanks in JSON.
struct Columns {
  std::string text = "sentence";
  std::string pair;             // empty: single texts
  std::string label = "label";  // empty: the file has none, or they are not read
  bool header = true;           // tsv and csv: the first line names the columns
  // tsv and csv: rows with fewer columns than the first one are left out instead of refused (QQP has some).
  bool skip_short = false;
};

struct TaskSpec {
  std::string name;  // "sst2", or "custom"
  model::Task kind = model::Task::classification;
  std::vector<std::string> labels;  // in the order of the model's outputs; one name for a regression
  std::vector<Metric> metrics;      // the first one chooses between epochs
  Format format = Format::tsv;
  Columns columns;
  double value_min = 0, value_max = 0;  // regression: the range of the targets, for reports
};

// Throws Error(usage) listing the known names.
TaskSpec preset(const std::string& name);
std::vector<std::string> preset_names();

// The format that the name of a file says (.tsv, .csv, .jsonl, .conll), or nothing.
std::optional<Format> format_in_name(const std::filesystem::path& file);
// The same; Error(usage) when it says none.
Format format_of(const std::filesystem::path& file);

// The labels that a training file uses: class names or tags in the order of first appearance, except that names which
// are all numbers 0..n-1 are sorted. IOB1 tags are given as the IOB2 tags that they become. Throws Error(input) as
// read_examples does, and for fewer than 2 or more than 64.
std::vector<std::string> labels_of(const std::filesystem::path& file, const TaskSpec& task);

// All examples of a file. Labels may be names from task.labels or, where those are not numbers themselves, indices.
// IOB1 tags become IOB2 on the way when task.labels are IOB2. A byte order mark and "\r\n" are accepted. Throws
// Error(input) with file and line for a missing column, a label or value that is none, a line that is not UTF-8, has a
// NUL byte or is longer than 1 MiB, or a file without examples; Error(file) when it cannot be read or exceeds 1 GiB;
// Error(usage) for a task whose kind, format and columns do not go together. `ExampleReader` reads streams.
std::vector<Example> read_examples(const std::filesystem::path& file, const TaskSpec& task);

}  // namespace thex::data
