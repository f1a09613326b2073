// How the files of a task are laid out, as a user says it: a known task by name, or a format and columns. Commands that
// train and commands that ask take the same options (layout_options.h).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "thex/data/task.h"

namespace thex::data {

struct Layout {
  std::string preset;  // empty: said by the rest
  std::string format;  // "tsv", "csv", "jsonl", "conll"; empty: by the file's name, or the preset's
  std::string text_column, pair_column, label_column;  // empty: the preset's, or "sentence", "" and "label"
  bool no_header = false;
  // Whether any of them was given.
  bool any() const { return no_header || !(preset + format + text_column + pair_column + label_column).empty(); }
};

inline constexpr const char* kFormatNames[] = {"tsv", "csv", "jsonl", "conll"};                        // Format
inline constexpr const char* kKindNames[] = {"classification", "regression", "token_classification"};  // model::Task
inline const char* name(model::Task kind) { return kKindNames[static_cast<int>(kind)]; }

// What a task is judged by when nobody says: accuracy, F1 and for two classes Matthews's coefficient; Pearson's and
// Spearman's coefficients; F1 of entities for IOB2 tags.
std::vector<Metric> default_metrics(model::Task kind, const std::vector<std::string>& labels);

// The task of a file: the preset, or one of that kind with those labels, with the columns and the format that the
// layout names. A file whose name says no format is the preset's, or else tab-separated. Throws Error(usage) for an
// unknown name, or when the preset is of another kind.
TaskSpec task_of(const Layout& layout, const std::filesystem::path& file, model::Task kind,
                 const std::vector<std::string>& labels);

}  // namespace thex::data
