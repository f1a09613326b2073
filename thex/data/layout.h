// How the files of a task are laid out, as a user says it: a known task by name, or a format and columns. Commands that
// train and commands that ask take the same options (cli/layout_options.h).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "thex/data/task.h"

namespace thex::data {

struct Layout {
  std::string preset;                                  // empty: said by the rest
  std::string format;                                  // of kFormatNames; empty: by the file's name, or the preset's
  std::string text_column, pair_column, label_column;  // empty: the preset's, or "sentence", "" and "label"
  bool no_header = false;
  // These two say nothing of the layout.
  bool skip_empty = false;
  std::string positive_label;  // empty: positive_class decides
  // Whether any of the others was given.
  bool any() const { return any_column() || !(preset + format).empty(); }
  bool any_column() const { return no_header || !(text_column + pair_column + label_column).empty(); }
};

// What a task is judged by when nobody says: accuracy, F1 and for two classes Matthews's coefficient; Pearson's and
// Spearman's coefficients; F1 of entities for the tags of a scheme.
std::vector<Metric> default_metrics(model::Task kind, const std::vector<std::string>& labels);

// The task of a file: the preset, or one of that kind with those labels, with the columns and the format that the
// layout names. A file whose name says no format is the preset's, or else tab-separated. Throws Error(usage) for an
// unknown name, when the preset is of another kind, and for a positive label where there are not two classes of which
// it is one.
TaskSpec task_of(const Layout& layout, const std::filesystem::path& file, model::Task kind,
                 const std::vector<std::string>& labels);

}  // namespace thex::data
