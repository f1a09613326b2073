#include "thex/convert/task_arguments.h"

#include <algorithm>
#include <numeric>

#include "thex/base/error.h"
#include "thex/cli/layout_options.h"
#include "thex/data/labels.h"

namespace thex::convert {
namespace {

std::vector<std::string> kind_names() {
  std::vector<std::string> names;
  for (const model::HeadRow& head : model::heads()) names.emplace_back(head.name);
  return names;
}

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& p : parts) out += (out.empty() ? "" : ", ") + p;
  return out;
}

model::Task kind_of(const TaskArguments& a, const std::optional<model::ModelConfig>& model) {
  if (!a.kind.empty()) {
    for (const model::HeadRow& head : model::heads())
      if (a.kind == head.name) return head.task;
    throw Error(ErrorCode::usage, "no kind is named \"" + a.kind + "\"");
  }
  if (model) return model->task;
  return a.preset.empty() ? model::Task::classification : data::preset(a.preset).kind;
}

void check_label_count(const data::TaskSpec& task) {
  const std::size_t count = task.labels.size();
  const model::HeadRow& head = row_of(task.kind);
  if (count >= head.least_labels && count <= head.most_labels) return;
  if (!head.classes)
    throw Error(ErrorCode::usage,
                "a regression has one output, not " + std::to_string(count) + ": name one with --labels, or none");
  throw Error(ErrorCode::usage, "a classifier needs " + std::to_string(head.least_labels) + " to " +
                                    std::to_string(head.most_labels) + " labels, this task has " +
                                    std::to_string(count) +
                                    ": see --label-column and --labels; numbers to be predicted are --kind regression");
}

}  // namespace

void add_task_arguments(CLI::App& app, TaskArguments& a) {
  cli::add_layout_options(app, a, true);
  app.add_option("--kind", a.kind, "classification, regression or token_classification (default: the model's)")
      ->check(CLI::IsMember(kind_names()));
  app.add_option(
         "--labels", a.labels,
         "Label names in the order of the model's outputs (default: the model's, or those of the training file)")
      ->delimiter(',');
}

ResolvedTask resolve_task(const TaskArguments& a, const std::filesystem::path& train,
                          const std::optional<model::ModelConfig>& model) {
  if (!a.preset.empty() && (!a.kind.empty() || !a.labels.empty()))
    throw Error(ErrorCode::usage,
                "--task " + a.preset + " says the kind and the labels already: leave out --kind and --labels");
  const model::Task kind = kind_of(a, model);
  if (a.preset.empty() && a.format.empty()) data::format_of(train, kind);  // training does not guess a format
  if (model && model->task != kind)
    throw Error(ErrorCode::usage, std::string("the model is made for ") + model::name_of(model->task) +
                                      ", --kind says " + model::name_of(kind) +
                                      ": leave out --kind, or name another model");
  std::vector<std::string> labels = a.labels;
  if (labels.empty() && model) labels = model->labels;
  if (labels.empty() && kind == model::Task::regression) labels = {"score"};
  if (model && a.labels.empty()) data::require_distinct(model->labels);
  ResolvedTask task;
  task.file = data::task_of(a, train, kind, labels);
  if (task.file.labels.empty()) {
    task.file.labels = data::labels_of(train, task.file);
    task.file.metrics = data::default_metrics(kind, task.file.labels);
  }
  const auto positive = data::positive_class(task.file);
  if (positive) task.file.positive = task.file.labels[*positive];  // whatever the order of the outputs
  check_label_count(task.file);
  task.spec = task.file;
  task.to_model.resize(task.file.labels.size());
  std::iota(task.to_model.begin(), task.to_model.end(), 0);
  if (!model) return task;
  if (!a.labels.empty() || kind == model::Task::regression) {  // in the order of the outputs
    if (task.file.labels.size() == model->labels.size()) return task;
    throw Error(ErrorCode::usage, "the model has " + std::to_string(model->labels.size()) + " labels (" +
                                      join(model->labels) + "), the task " + std::to_string(task.file.labels.size()) +
                                      " (" + join(task.file.labels) +
                                      "): --labels names the model's, in the order of its outputs");
  }
  task.to_model = data::match_labels(task.file.labels, model->labels);
  for (std::size_t i = 0; i < task.to_model.size(); ++i)
    task.spec.labels[static_cast<std::size_t>(task.to_model[i])] = task.file.labels[i];
  return task;
}

DataSet load_data(const std::filesystem::path& file, const ResolvedTask& task, const text::Tokenizer& tokenizer,
                  int max_length, data::ReadCounts* counts) {
  std::vector<data::Example> examples = data::read_examples(file, task.file, counts);
  auto map = [&](int& label) {
    if (label >= 0) label = task.to_model.at(static_cast<std::size_t>(label));
  };
  for (data::Example& e : examples) {
    if (task.spec.kind == model::Task::classification) map(e.label);
    for (int& tag : e.tags) map(tag);
  }
  return tokenize(examples, task.spec.kind, tokenizer, max_length);
}

std::string describe(const data::TaskSpec& spec) {
  std::string out = spec.name + ": " + model::name_of(spec.kind);
  if (!spec.columns.pair.empty()) out += " of pairs";
  if (spec.kind != model::Task::regression) out += " (" + join(spec.labels) + ")";
  out += ", judged by";
  for (std::size_t i = 0; i < spec.metrics.size(); ++i)
    out += (i ? ", " : " ") + std::string(data::name(spec.metrics[i]));
  if (!spec.positive.empty()) out += ", " + spec.positive + " counting as positive";
  return out;
}

}  // namespace thex::convert
