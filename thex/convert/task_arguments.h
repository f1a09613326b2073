// Which task a command is about: a preset by name, or columns, a kind and labels; and its data, read and tokenized.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "thex/convert/data.h"
#include "thex/convert/score.h"
#include "thex/data/layout.h"

namespace thex::convert {

struct TaskArguments : data::Layout {
  std::string kind;                 // empty: the preset's or the model's
  std::vector<std::string> labels;  // empty: the model's, or those of the training file
};

void add_task_arguments(CLI::App& app, TaskArguments& arguments);

// A task as its files name the labels, and as the model's outputs are ordered.
struct ResolvedTask {
  data::TaskSpec file;        // for reading
  data::TaskSpec spec;        // in the model's order
  std::vector<int> to_model;  // for each of the file's labels the model's output
};

// `model`: the configuration of a model that has its head already (nothing for a backbone). Throws Error(usage) for
// contradictions and when the model's head does not fit the task, Error(input) when labels must be read from
// `train` and cannot be.
ResolvedTask resolve_task(const TaskArguments& arguments, const std::filesystem::path& train,
                          const std::optional<model::ModelConfig>& model);

// One of the task's files, with labels in the model's order. `counts`, where given, is filled.
DataSet load_data(const std::filesystem::path& file, const ResolvedTask& task, const text::Tokenizer& tokenizer,
                  int max_length, data::ReadCounts* counts = nullptr);

// "rte: classification of pairs (entailment, not_entailment), judged by accuracy"
std::string describe(const data::TaskSpec& spec);

}  // namespace thex::convert
