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
// GLUE's test file has two, index and sentence, with one.
TaskSpec cola() {
  TaskSpec task = glue({"unacceptable", "acceptable"}, {Metric::matthews}, {"#4", "", "#2", false});
  task.unlabelled = Columns{"sentence", "", ""};
  return task;
}

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
  const char* dev_file;
};

constexpr std::array<Preset, 9> kPresets{{{"sst2", sst2, "glue/SST-2/dev.tsv"},
                                          {"mrpc", mrpc, "glue/MRPC/dev.tsv"},
                                          {"rte", rte, "glue/RTE/dev.tsv"},
                                          {"stsb", stsb, "glue/STS-B/dev.tsv"},
                                          {"qnli", qnli, "glue/QNLI/dev.tsv"},
                                          {"mnli", mnli, "glue/MNLI/dev_matched.tsv"},
                                          {"qqp", qqp, "glue/QQP/dev.tsv"},
                                          {"cola", cola, "glue/CoLA/dev.tsv"},
                                          {"conll2003", conll2003, "conll2003/eng.testa"}}};

// The ending of a name, in lower case and without the dot.
std::string ending_of(const std::filesystem::path& file) {
  std::string ending = file.extension().string();
  if (!ending.empty()) ending.erase(0, 1);
  for (char& c : ending) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return ending;
}

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

std::string usual_dev_file(const std::string& preset) {
  for (const Preset& p : kPresets)
    if (preset == p.name || preset.empty()) return p.dev_file;
  return "";
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

std::optional<Format> format_in_name(const std::filesystem::path& file, model::Task kind) {
  static constexpr std::pair<const char*, Format> kEndings[] = {
      {"tsv", Format::tsv},       {"csv", Format::csv},        {"jsonl", Format::jsonl},   {"ndjson", Format::jsonl},
      {"json", Format::json},     {"conll", Format::conll},    {"conllu", Format::conllu}, {"bio", Format::conll},
      {"bio2", Format::conll},    {"iob", Format::conll},      {"iob1", Format::conll},    {"iob2", Format::conll},
      {"bioes", Format::conll},   {"bilou", Format::conll},    {"ner", Format::conll},     {"conllx", Format::conllu},
      {"conll03", Format::conll}, {"conll2003", Format::conll}};
  const std::string ending = ending_of(file);
  for (const auto& [name, format] : kEndings)
    if (ending == name) return format;
  if (ending == "txt" && kind == model::Task::token_classification) return Format::conll;
  return std::nullopt;
}

Format format_of(const std::filesystem::path& file, model::Task kind) {
  if (const auto format = format_in_name(file, kind)) return *format;
  throw Error(ErrorCode::usage, "the name of " + file.string() +
                                    " does not say its format (.tsv, .csv, .json, .jsonl; of tagged words .conll, " +
                                    ".bio, .iob, .conllu); name it with --format");
}

}  // namespace thex::data
