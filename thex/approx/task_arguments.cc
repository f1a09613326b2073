#include "thex/approx/task_arguments.h"

#include <algorithm>
#include <cctype>
#include <numeric>

#include "thex/base/error.h"

namespace thex::approx {
namespace {

using data::Format;
using data::Metric;

constexpr const char* kKinds[] = {"classification", "regression", "token_classification"};

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& p : parts) out += (out.empty() ? "" : ", ") + p;
  return out;
}

std::string lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return std::tolower(c); });
  return s;
}

// What Hugging Face calls outputs that nobody has named.
bool generic(const std::vector<std::string>& labels) {
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] != "LABEL_" + std::to_string(i)) return false;
  return true;
}

std::vector<Metric> default_metrics(bert::Task kind, std::size_t labels) {
  switch (kind) {
    case bert::Task::regression:
      return {Metric::pearson, Metric::spearman};
    case bert::Task::token_classification:
      return {Metric::entity_f1};
    default:
      if (labels == 2) return {Metric::accuracy, Metric::f1, Metric::matthews};
      return {Metric::accuracy, Metric::f1};
  }
}

data::TaskSpec custom_task(const TaskArguments& a, const std::filesystem::path& train,
                           const std::optional<bert::ModelConfig>& model) {
  data::TaskSpec spec;
  spec.name = "custom";
  if (!a.kind.empty()) {
    spec.kind = static_cast<bert::Task>(std::find(std::begin(kKinds), std::end(kKinds), a.kind) - std::begin(kKinds));
  } else if (model) {
    spec.kind = model->task;
  }
  if (a.format.empty()) {
    spec.format = data::format_of(train);
  } else {
    spec.format = a.format == "tsv"     ? Format::tsv
                  : a.format == "csv"   ? Format::csv
                  : a.format == "jsonl" ? Format::jsonl
                                        : Format::conll;
  }
  if (spec.format == Format::conll) spec.columns.text = "#1", spec.columns.label = "#2";
  return spec;
}

}  // namespace

void add_task_arguments(CLI::App& app, TaskArguments& a) {
  app.add_option("--task", a.preset, "A known task, which says all of the following: " + join(data::preset_names()));
  app.add_option("--kind", a.kind, "classification, regression or token_classification (default: the model's)")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kKinds), std::end(kKinds))));
  app.add_option("--format", a.format, "tsv, csv, jsonl or conll (default: by the file's name)")
      ->check(CLI::IsMember({"tsv", "csv", "jsonl", "conll"}));
  app.add_option("--text-column", a.text_column, "Column of the text, a name or #3 for the third (default: sentence)");
  app.add_option("--pair-column", a.pair_column, "Column of the second text of pairs");
  app.add_option("--label-column", a.label_column, "Column of the label, tag or value (default: label)");
  app.add_flag("--no-header", a.no_header, "The first line is an example already");
  app.add_option(
         "--labels", a.labels,
         "Label names in the order of the model's outputs (default: the model's, or those of the training file)")
      ->delimiter(',');
}

ResolvedTask resolve_task(const TaskArguments& a, const std::filesystem::path& train,
                          const std::optional<bert::ModelConfig>& model) {
  if (!a.preset.empty() && (!a.kind.empty() || !a.labels.empty()))
    throw Error(ErrorCode::usage, "--task " + a.preset + " says the kind and the labels already");
  ResolvedTask task;
  data::TaskSpec& file = task.file;
  file = a.preset.empty() ? custom_task(a, train, model) : data::preset(a.preset);
  if (!a.text_column.empty()) file.columns.text = a.text_column;
  if (!a.pair_column.empty()) file.columns.pair = a.pair_column;
  if (!a.label_column.empty()) file.columns.label = a.label_column;
  if (a.no_header) file.columns.header = false;
  if (a.preset.empty()) {
    if (!a.labels.empty()) {
      file.labels = a.labels;
    } else if (model) {
      file.labels = model->labels;
    } else if (file.kind == bert::Task::regression) {
      file.labels = {"score"};
    } else {
      file.labels = data::labels_of(train, file);
    }
    file.metrics = default_metrics(file.kind, file.labels.size());
  }
  if (file.kind == bert::Task::regression && file.labels.size() != 1)
    throw Error(ErrorCode::usage, "a regression has one output, not " + std::to_string(file.labels.size()));
  if (file.kind != bert::Task::regression && (file.labels.size() < 2 || file.labels.size() > 64))
    throw Error(ErrorCode::usage,
                "a classifier needs 2 to 64 labels, this task has " + std::to_string(file.labels.size()));
  task.spec = file;
  task.to_model.resize(file.labels.size());
  std::iota(task.to_model.begin(), task.to_model.end(), 0);
  if (!model) return task;
  if (model->task != file.kind)
    throw Error(ErrorCode::model, std::string("the model is made for ") + kKinds[static_cast<int>(model->task)] +
                                      ", the task is " + kKinds[static_cast<int>(file.kind)]);
  if (model->labels.size() != file.labels.size())
    throw Error(ErrorCode::model, "the model has " + std::to_string(model->labels.size()) + " labels (" +
                                      join(model->labels) + "), the task " + std::to_string(file.labels.size()) + " (" +
                                      join(file.labels) + ")");
  if (!a.labels.empty() || generic(model->labels) || file.kind == bert::Task::regression) return task;
  for (std::size_t i = 0; i < file.labels.size(); ++i) {
    const auto at = std::find_if(model->labels.begin(), model->labels.end(),
                                 [&](const std::string& l) { return lower(l) == lower(file.labels[i]); });
    if (at == model->labels.end())
      throw Error(ErrorCode::model, "the task's label \"" + file.labels[i] + "\" is none of the model's (" +
                                        join(model->labels) + "); name its outputs with --labels and columns");
    task.to_model[i] = static_cast<int>(at - model->labels.begin());
    task.spec.labels[static_cast<std::size_t>(task.to_model[i])] = file.labels[i];
  }
  return task;
}

DataSet load_data(const std::filesystem::path& file, const ResolvedTask& task, const bert::Tokenizer& tokenizer,
                  int max_length) {
  std::vector<data::Example> examples = data::read_examples(file, task.file);
  auto map = [&](int& label) {
    if (label >= 0) label = task.to_model.at(static_cast<std::size_t>(label));
  };
  for (data::Example& e : examples) {
    if (task.spec.kind == bert::Task::classification) map(e.label);
    for (int& tag : e.tags) map(tag);
  }
  return tokenize(examples, task.spec.kind, tokenizer, max_length);
}

std::string describe(const data::TaskSpec& spec) {
  std::string out = spec.name + ": " + kKinds[static_cast<int>(spec.kind)];
  if (!spec.columns.pair.empty()) out += " of pairs";
  if (spec.kind != bert::Task::regression) out += " (" + join(spec.labels) + ")";
  out += ", judged by";
  for (std::size_t i = 0; i < spec.metrics.size(); ++i)
    out += (i ? ", " : " ") + std::string(data::name(spec.metrics[i]));
  return out;
}

}  // namespace thex::approx
