#include "thex/data/layout.h"

#include <algorithm>

#include "thex/base/error.h"
#include "thex/data/labels.h"
#include "thex/data/tags.h"

namespace thex::data {
namespace {

Format format_named(const std::string& name) {
  const auto at = std::find(std::begin(kFormatNames), std::end(kFormatNames), name);
  if (at != std::end(kFormatNames)) return static_cast<Format>(at - std::begin(kFormatNames));
  throw Error(ErrorCode::usage, "no format is named \"" + name + "\": tsv, csv, json, jsonl, conll or conllu");
}

}  // namespace

std::vector<Metric> default_metrics(model::Task kind, const std::vector<std::string>& labels) {
  if (kind == model::Task::regression) return {Metric::pearson, Metric::spearman};
  if (kind == model::Task::token_classification && scheme_of(labels)) return {Metric::entity_f1, Metric::accuracy};
  if (kind == model::Task::classification && labels.size() == 2) {
    return {Metric::accuracy, Metric::f1, Metric::matthews};
  }
  return {Metric::accuracy, Metric::f1};
}

TaskSpec task_of(const Layout& layout, const std::filesystem::path& file, model::Task kind,
                 const std::vector<std::string>& labels) {
  TaskSpec task;
  if (!layout.preset.empty()) {
    task = preset(layout.preset);
    if (task.kind != kind) {
      throw Error(ErrorCode::usage, "--task " + layout.preset + " is a " + model::name_of(task.kind) +
                                        ", the model is made for " + model::name_of(kind) +
                                        ": name another task or another model");
    }
  } else {
    task.name = "custom";
    task.kind = kind;
    task.labels = labels;
    task.metrics = default_metrics(kind, labels);
  }
  if (!layout.format.empty()) {
    task.format = format_named(layout.format);
  } else if (const auto format = format_in_name(file, kind)) {
    task.format = *format;
  } else if (layout.preset.empty() && kind == model::Task::token_classification && !layout.any_column()) {
    task.format = Format::conll;  // what most files of tagged words are, whatever they are called
  }
  if (layout.preset.empty() && task.format == Format::conll) {
    task.columns.text = "#1";
    task.columns.label = "#last";
  } else if (layout.preset.empty() && task.format == Format::conllu) {
    task.columns.text = "#2";
    task.columns.label = scheme_of(labels) ? "#last" : "#4";  // parts of speech
  }
  if (!layout.text_column.empty()) task.columns.text = layout.text_column;
  if (!layout.pair_column.empty()) task.columns.pair = layout.pair_column;
  if (!layout.label_column.empty()) task.columns.label = layout.label_column;
  if (layout.no_header) task.columns.header = false;
  if (layout.any_column()) task.unlabelled.reset();
  task.skip_empty = layout.skip_empty;
  task.positive = layout.positive_label;
  if (!task.labels.empty()) positive_class(task);
  return task;
}

}  // namespace thex::data
