#include "thex/cli/task_options.h"

#include "thex/base/error.h"
#include "thex/data/conll.h"

namespace thex::cli {
namespace {

using data::Format;
using data::Metric;

constexpr const char* kFormats[] = {"tsv", "csv", "jsonl", "conll"};

Format format_named(const std::string& name) {
  for (std::size_t i = 0; i < std::size(kFormats); ++i) {
    if (name == kFormats[i]) return static_cast<Format>(i);
  }
  throw Error(ErrorCode::usage, "no format is named \"" + name + "\"");
}

bool says_format(const std::filesystem::path& file) {
  for (const char* format : kFormats) {
    if (file.extension() == std::string(".") + format) return true;
  }
  return false;
}

std::vector<Metric> metrics_of(const bert::ModelConfig& config) {
  if (config.task == bert::Task::regression) return {Metric::pearson, Metric::spearman};
  if (config.task == bert::Task::token_classification) {
    if (data::is_iob2(config.labels)) return {Metric::entity_f1, Metric::accuracy};
    return {Metric::accuracy, Metric::f1};
  }
  if (config.labels.size() == 2) return {Metric::accuracy, Metric::f1, Metric::matthews};
  return {Metric::accuracy, Metric::f1};
}

}  // namespace

const char* kind_name(bert::Task kind) {
  return kind == bert::Task::classification ? "classification"
         : kind == bert::Task::regression   ? "regression"
                                            : "token_classification";
}

void add_task_options(CLI::App& app, TaskOptions& o, bool labels) {
  std::string known;
  for (const std::string& name : data::preset_names()) known += (known.empty() ? "" : ", ") + name;
  app.add_option("--task", o.task, "A known task, which says format and columns of its files: " + known);
  app.add_option("--format", o.format, "tsv, csv, jsonl or conll (default: by the file's name)")
      ->check(CLI::IsMember({"tsv", "csv", "jsonl", "conll"}));
  app.add_option("--text-column", o.text_column,
                 "Column of the text, a name or #3 for the third (default: the task's, or sentence)");
  app.add_option("--pair-column", o.pair_column, "Column of the second text of pairs");
  if (labels) {
    app.add_option("--label-column", o.label_column,
                   "Column of the label, tag or value (default: the task's, or label)");
  }
  app.add_flag("--no-header", o.no_header, "tsv and csv: the first line is an example already");
}

data::TaskSpec task_of(const TaskOptions& o, const std::filesystem::path& file, const bert::ModelConfig& config) {
  data::TaskSpec task;
  if (!o.task.empty()) {
    task = data::preset(o.task);
    if (task.kind != config.task) {
      throw Error(ErrorCode::usage, "--task " + o.task + " is a " + kind_name(task.kind) + ", the model is made for " +
                                        kind_name(config.task) + ": name another task or another model");
    }
  } else {
    task.name = "custom";
    task.kind = config.task;
    task.labels = config.labels;
    task.metrics = metrics_of(config);
  }
  if (!o.format.empty()) {
    task.format = format_named(o.format);
  } else if (says_format(file)) {
    task.format = data::format_of(file);
  }
  if (o.task.empty() && task.format == Format::conll) {
    task.columns.text = "#1";
    task.columns.label = "#last";
  }
  if (!o.text_column.empty()) task.columns.text = o.text_column;
  if (!o.pair_column.empty()) task.columns.pair = o.pair_column;
  if (!o.label_column.empty()) task.columns.label = o.label_column;
  if (o.no_header) task.columns.header = false;
  return task;
}

}  // namespace thex::cli
