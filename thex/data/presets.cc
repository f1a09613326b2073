// GLUE's tasks and CoNLL-2003, as their own files lay them out.
#include <array>

#include "thex/base/error.h"
#include "thex/data/task.h"

namespace thex::data {
namespace {

TaskSpec glue(std::vector<std::string> labels, std::vector<Metric> metrics, Columns columns) {
  TaskSpec task;
  task.labels = std::move(labels);
  task.metrics = std::move(metrics);
  task.columns = std::move(columns);
  return task;
}

TaskSpec sst2() { return glue({"negative", "positive"}, {Metric::accuracy}, {"sentence", "", "label"}); }

// Four columns without a header line: source, label, the author's mark, sentence.
TaskSpec cola() { return glue({"unacceptable", "acceptable"}, {Metric::matthews}, {"#4", "", "#2", false}); }

TaskSpec mrpc() {
  return glue({"not_equivalent", "equivalent"}, {Metric::f1, Metric::accuracy}, {"#1 String", "#2 String", "Quality"});
}

// Some rows of GLUE's file are cut short; everyone leaves them out.
TaskSpec qqp() {
  return glue({"not_duplicate", "duplicate"}, {Metric::f1, Metric::accuracy},
              {"question1", "question2", "is_duplicate", true, true});
}

TaskSpec stsb() {
  TaskSpec task = glue({"similarity"}, {Metric::pearson, Metric::spearman}, {"sentence1", "sentence2", "score"});
  task.kind = model::Task::regression;
  task.value_max = 5;
  return task;
}

TaskSpec mnli() {
  return glue({"entailment", "neutral", "contradiction"}, {Metric::accuracy}, {"sentence1", "sentence2", "gold_label"});
}

TaskSpec qnli() {
  return glue({"entailment", "not_entailment"}, {Metric::accuracy}, {"question", "sentence", "label"});
}

TaskSpec rte() {
  return glue({"entailment", "not_entailment"}, {Metric::accuracy}, {"sentence1", "sentence2", "label"});
}

// Word, part of speech, chunk, entity.
TaskSpec conll2003() {
  TaskSpec task = glue({"O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"},
                       {Metric::entity_f1}, {"#1", "", "#4", false});
  task.kind = model::Task::token_classification;
  task.format = Format::conll;
  return task;
}

struct Preset {
  const char* name;
  TaskSpec (*make)();
};

constexpr std::array<Preset, 9> kPresets{{{"sst2", sst2},
                                          {"mrpc", mrpc},
                                          {"rte", rte},
                                          {"stsb", stsb},
                                          {"qnli", qnli},
                                          {"mnli", mnli},
                                          {"qqp", qqp},
                                          {"cola", cola},
                                          {"conll2003", conll2003}}};

}  // namespace

TaskSpec preset(const std::string& name) {
  std::string known;
  for (const Preset& p : kPresets) {
    if (name == p.name) {
      TaskSpec task = p.make();
      task.name = name;
      return task;
    }
    known += (known.empty() ? "" : ", ") + std::string(p.name);
  }
  throw Error(ErrorCode::usage,
              "no task is named \"" + name + "\"; known are " + known + "; others are said by columns");
}

std::vector<std::string> preset_names() {
  std::vector<std::string> out;
  for (const Preset& p : kPresets) out.emplace_back(p.name);
  return out;
}

const char* name(Metric metric) {
  switch (metric) {
    case Metric::accuracy:
      return "accuracy";
    case Metric::f1:
      return "f1";
    case Metric::matthews:
      return "matthews";
    case Metric::pearson:
      return "pearson";
    case Metric::spearman:
      return "spearman";
    case Metric::entity_f1:
      return "entity_f1";
  }
  throw Error(ErrorCode::usage, "no metric has the number " + std::to_string(static_cast<int>(metric)));
}

std::optional<Format> format_in_name(const std::filesystem::path& file) {
  const std::string extension = file.extension().string();
  if (extension == ".tsv") return Format::tsv;
  if (extension == ".csv") return Format::csv;
  if (extension == ".jsonl") return Format::jsonl;
  if (extension == ".conll") return Format::conll;
  return std::nullopt;
}

Format format_of(const std::filesystem::path& file) {
  if (const auto format = format_in_name(file)) return *format;
  throw Error(ErrorCode::usage, "the name of " + file.string() +
                                    " does not say its format (.tsv, .csv, .jsonl, .conll); name it with --format");
}

}  // namespace thex::data
