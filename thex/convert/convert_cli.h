// What the two commands of thex-convert share: arguments, data, device, and writing a model folder.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "thex/convert/checkpoint.h"
#include "thex/convert/task_arguments.h"
#include "thex/convert/train.h"

namespace thex::convert {

struct CommonArguments {
  TaskArguments task;
  std::filesystem::path train, dev, out, work;
  std::string device = "cpu";
  int threads = 1;
  std::uint64_t seed = 1;
  std::size_t held_out = 0;  // 0: 2,000, or a tenth of a smaller training file; load_task puts the number in
  int max_length = 128;
  bool quick = false, quiet = false;
};

// -1 when parsed; else the exit status, after help on stdout or one line on stderr.
int parse(CLI::App& app, int argc, char** argv);

void add_common_arguments(CLI::App& app, CommonArguments& arguments);

// Sets threads and the seed of the global generator, checks the device. Throws Error(usage) when there is no CUDA
// device.
torch::Device prepare(const CommonArguments& arguments);

// Reads and tokenizes both files. Whole sentences are drawn apart from phrases only where the training texts are single
// (see hold_out). Throws Error(input) or Error(file).
TaskData load_task(CommonArguments& arguments, const ResolvedTask& task, const text::Tokenizer& tokenizer,
                   const Log& log);

// Everything about arguments and data that a result depends on, for the fingerprint of its checkpoints.
std::string data_fingerprint(const CommonArguments& arguments, const ResolvedTask& task);

// Says what a training needs beside what there is: memory, and room for `stages` checkpoints in `work`.
void tell_resources(const model::ModelConfig& config, std::size_t batch, int length, bool runs_teacher,
                    const std::filesystem::path& work, std::size_t stages, const Log& log);

nlohmann::ordered_json score_json(const Score& score);

// Progress on stderr with the time since the start.
Log make_log(bool quiet);

// Writes the folder under a temporary name beside `out` and renames it, so that nothing half-written stays. An existing
// `out` is replaced only when it is a model folder or empty. `reports`: the texts of more files by name. Throws
// Error(file).
void write_model_folder(const model::Model& model, const std::filesystem::path& vocab, const std::filesystem::path& out,
                        const std::map<std::string, std::string>& reports, checkpoint::Dtype dtype);

int run_convert(int argc, char** argv);
int run_make_plain(int argc, char** argv);

}  // namespace thex::convert
