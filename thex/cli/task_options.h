// The options that say how a data file is laid out: a known task, or a format and columns.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "thex/bert/config.h"
#include "thex/data/task.h"

namespace thex::cli {

struct TaskOptions {
  std::string task;    // a preset; empty: said by the rest
  std::string format;  // empty: by the file's name
  std::string text_column, pair_column, label_column;
  bool no_header = false;
  // Whether any of them was given: a file of texts is a table then, not one text a line.
  bool any() const { return no_header || !(task + format + text_column + pair_column + label_column).empty(); }
};

// Adds --task, --format, --text-column, --pair-column, --no-header and, where labels are read, --label-column.
void add_task_options(CLI::App& app, TaskOptions& options, bool labels);

// The task of a labelled or unlabelled file for that model: a preset, or the model's own kind and labels. A file whose
// name says no format is read as the preset's, or else as tab-separated. Throws Error(usage) when the preset's kind is
// not the model's.
data::TaskSpec task_of(const TaskOptions& options, const std::filesystem::path& file, const bert::ModelConfig& config);

// "classification", "regression" or "token_classification".
const char* kind_name(bert::Task kind);

}  // namespace thex::cli
