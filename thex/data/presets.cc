// The known tasks: GLUE's (Wang et al. 2018) and CoNLL-2003 NER (Tjong Kim Sang and De Meulder 2003).
#include <algorithm>

#include "thex/base/error.h"
#include "thex/data/task.h"

namespace thex::data {
namespace {

using bert::Task;

TaskSpec glue(std::string name, std::vector<std::string> labels, std::vector<Metric> metrics, Columns columns) {
  TaskSpec task;
  task.name = std::move(name);
  task.labels = std::move(labels);
  task.metrics = std::move(metrics);
  task.columns = std::move(columns);
  return task;
}

std::vector<TaskSpec> all_presets() {
  const std::vector<std::string> entailment = {"entailment", "not_entailment"};
  std::vector<TaskSpec> all = {
      glue("sst2", {"negative", "positive"}, {Metric::accuracy}, {"sentence", "", "label"}),
      glue("mrpc", {"not_equivalent", "equivalent"}, {Metric::f1, Metric::accuracy},
           {"#1 String", "#2 String", "Quality"}),
      glue("rte", entailment, {Metric::accuracy}, {"sentence1", "sentence2", "label"}),
      glue("stsb", {"similarity"}, {Metric::pearson, Metric::spearman}, {"sentence1", "sentence2", "score"}),
      glue("qnli", entailment, {Metric::accuracy}, {"question", "sentence", "label"}),
      glue("mnli", {"entailment", "neutral", "contradiction"}, {Metric::accuracy},
           {"sentence1", "sentence2", "gold_label"}),
      glue("qqp", {"not_duplicate", "duplicate"}, {Metric::f1, Metric::accuracy},
           {"question1", "question2", "is_duplicate"}),
      glue("cola", {"unacceptable", "acceptable"}, {Metric::matthews, Metric::accuracy}, {"#4", "", "#2", false}),
      glue("conll2003", {"O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"},
           {Metric::entity_f1, Metric::accuracy}, {"#1", "", "#4", false}),
  };
  for (TaskSpec& task : all) {
    if (task.name == "stsb") {
      task.kind = Task::regression;
      task.value_max = 5;
    } else if (task.name == "conll2003") {
      task.kind = Task::token_classification;
      task.format = Format::conll;
    }
  }
  return all;
}

}  // namespace

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const TaskSpec& task : all_presets()) names.push_back(task.name);
  return names;
}

TaskSpec preset(const std::string& name) {
  std::string known;
  for (TaskSpec& task : all_presets()) {
    if (task.name == name) return std::move(task);
    known += (known.empty() ? "" : ", ") + task.name;
  }
  throw Error(ErrorCode::usage, "no task \"" + name + "\"; known are " + known +
                                    ". Describe another one with --text-column and --label-column");
}

}  // namespace thex::data
