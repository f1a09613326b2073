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
  tsv,     // tab-separated, GLUE's way: quotes are ordinary characters
  csv,     // comma-separated, RFC 4180
  jsonl,   // one JSON object a line; columns are its fields
  conll,   // one word a line with its columns between blanks, sentences end at an empty line, -DOCSTART- lines are
           // skipped
  json,    // an array of JSON objects, or one object a line
  conllu,  // Universal Dependencies' form of conll: ten columns between tabs, comments
};
inline constexpr const char* kFormatNames[] = {"tsv", "csv", "jsonl", "conll", "json", "conllu"};

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

// What a reader has met.
struct ReadCounts {
  std::size_t examples = 0;       // that it gave
  std::size_t empty = 0;          // of these: with a text that has no visible character
  std::size_t skipped_empty = 0;  // left out for that reason, as TaskSpec::skip_empty asks
  std::size_t skipped_short = 0;  // rows left out as Columns::skip_short asks
};

struct TaskSpec {
  std::string name;  // "sst2", or "custom"
  model::Task kind = model::Task::classification;
  std::vector<std::string> labels;  // in the order of the model's outputs; one name for a regression
  std::vector<Metric> metrics;      // the first one chooses between epochs
  Format format = Format::tsv;
  Columns columns;
  // How the task's files without labels lie, where they differ: taken when labels are not read and the first line has
  // these columns.
  std::optional<Columns> unlabelled;
  bool skip_empty = false;  // leave out examples with an empty text, which count as texts otherwise
  // Two classes: the label that f1 counts; empty: see positive_class.
  std::string positive;
};

// Throws Error(usage) listing the known names.
TaskSpec preset(const std::string& name);
std::vector<std::string> preset_names();
// Where the dev set of a preset (empty: sst2) usually lies within a folder of data sets: "glue/SST-2/dev.tsv".
std::string usual_dev_file(const std::string& preset);

// The format that the ending of a file's name says, in upper or lower case, or nothing: tsv, csv, json, jsonl (ndjson),
// conllu (conllx), and for conll also conll03, conll2003, bio, bio2, iob, iob1, iob2, bioes, bilou and ner. `.txt` says
// conll where the task is token classification.
std::optional<Format> format_in_name(const std::filesystem::path& file, model::Task kind = model::Task::classification);
// The same; Error(usage) when it says none.
Format format_of(const std::filesystem::path& file, model::Task kind = model::Task::classification);

// The labels that a training file uses, class names or tags: sorted, by value where all are numbers. IOB1 tags are
// given as the IOB2 tags that they become. Throws Error(input) as read_examples does, and for fewer than 2 or more
// than 64.
std::vector<std::string> labels_of(const std::filesystem::path& file, const TaskSpec& task);

// All examples of a file. Labels may be names from task.labels or, where those are not numbers themselves, indices.
// Tags become those of the scheme of task.labels (tags.h) on the way. A byte order mark and "\r\n" are accepted. Throws
// Error(input) with file and line for a missing column, a label or value that is none, a line that is not UTF-8, has a
// NUL byte or is longer than 1 MiB, or a file without examples; Error(file) when it cannot be read or exceeds 1 GiB;
// Error(usage) for a task whose kind, format and columns do not go together. `ExampleReader` reads streams.
// `counts`, where given, is filled.
std::vector<Example> read_examples(const std::filesystem::path& file, const TaskSpec& task,
                                   ReadCounts* counts = nullptr);

}  // namespace thex::data
