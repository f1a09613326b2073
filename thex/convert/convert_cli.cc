#include "thex/convert/convert_cli.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/convert/memory.h"

namespace thex::convert {

int parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return -1;
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : exit_status(ErrorCode::usage);
  }
}

void add_common_arguments(CLI::App& app, CommonArguments& a) {
  app.add_option("--train", a.train, "Training examples")->required();
  app.add_option("--dev", a.dev, "Evaluation examples; never used for a choice")->required();
  add_task_arguments(app, a.task);
  app.add_option("-o,--out", a.out, "Model folder to write")->required();
  app.add_option("--work", a.work, "Folder for checkpoints; a re-run resumes from it (default: OUT.work)");
  app.add_option("--device", a.device, "cpu or cuda")->check(CLI::IsMember({"cpu", "cuda"}))->capture_default_str();
  app.add_option("--threads", a.threads, "CPU threads")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--seed", a.seed, "Seed of every random choice")->capture_default_str();
  app.add_option("--held-out", a.held_out,
                 "Training examples set aside to choose epochs (default: 2000, or a tenth of a smaller file)");
  app.add_option("--max-length", a.max_length, "Tokens per example at most")
      ->check(CLI::Range(8, 512))
      ->capture_default_str();
  app.add_flag("--quick", a.quick, "A first impression in minutes: few steps in every stage");
  app.add_flag("-q,--quiet", a.quiet, "No progress on stderr");
}

torch::Device prepare(const CommonArguments& a) {
  at::set_num_threads(a.threads);
  at::manual_seed(a.seed);
  if (a.device == "cuda") {
    if (!at::hasCUDA())
      throw Error(ErrorCode::usage, "--device cuda: this libtorch sees no CUDA device; use --device cpu");
    return torch::Device(torch::kCUDA);
  }
  return torch::Device(torch::kCPU);
}

TaskData load_task(CommonArguments& a, const ResolvedTask& task, const text::Tokenizer& tokenizer, const Log& log) {
  log(describe(task.spec));
  DataSet train = load_data(a.train, task, tokenizer, a.max_length);
  if (a.held_out == 0) a.held_out = std::clamp<std::size_t>(train.size() / 10, 1, 2000);
  const bool phrases = task.spec.kind == model::Task::classification && task.spec.columns.pair.empty();
  TaskData data;
  data.spec = task.spec;
  data.max_length = a.max_length;
  data.split = hold_out(std::move(train), a.held_out, a.seed, phrases ? 0.3 : 0);
  data.dev = load_data(a.dev, task, tokenizer, a.max_length);
  log("train " + std::to_string(data.split.train.size()) + ", held out " + std::to_string(data.split.held_out.size()) +
      (phrases ? " (" + std::to_string(data.split.held_out_long) + " long)" : "") + ", left out as overlapping " +
      std::to_string(data.split.dropped) + ", dev " + std::to_string(data.dev.size()));
  return data;
}

std::string data_fingerprint(const CommonArguments& a, const ResolvedTask& task) {
  std::string text = fingerprint_of_file(a.train) + "/" + fingerprint_of_file(a.dev) + "/" + describe(task.spec) + "/" +
                     task.file.columns.text + "/" + task.file.columns.pair + "/" + task.file.columns.label + "/" +
                     std::to_string(static_cast<int>(task.file.format)) + "/" + std::to_string(a.held_out) + "/" +
                     std::to_string(a.max_length) + "/" + std::to_string(a.seed);
  for (int label : task.to_model) text += "," + std::to_string(label);
  return fingerprint_of_text(text);
}

void tell_resources(const model::ModelConfig& config, std::size_t batch, int length, bool runs_teacher,
                    const std::filesystem::path& work, std::size_t stages, const Log& log) {
  const MemoryEstimate need = training_memory(config, batch, static_cast<std::uint64_t>(length), runs_teacher);
  const std::uint64_t there = available_memory();
  auto mib = [](std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; };
  log("memory: at most about " + mib(need.total()) + " for batches of " + std::to_string(batch) + " (" +
      mib(need.parameters) + " for parameters)" + (there ? ", " + mib(there) + " are available" : ""));
  if (there && need.total() > there) log("warning: this may not fit; lower --batch or --max-length");
  // One copy a stage; the state between two epochs is four, and two of it exist while it is replaced.
  const std::uint64_t copy = need.parameters / (runs_teacher ? 6 : 5);
  const std::uint64_t room = copy * (stages + 8);
  std::error_code error;
  const auto space = std::filesystem::space(work, error);
  if (error) return;
  log("checkpoints: up to " + mib(room) + " in " + work.string() + ", " + mib(space.available) + " are free");
  if (space.available < room)
    log("warning: the disk may fill up; a full disk ends the run, which goes on from its last checkpoint when started "
        "again (choose another folder with --work)");
}

nlohmann::ordered_json score_json(const Score& s) {
  nlohmann::ordered_json j = nlohmann::ordered_json::object();
  for (const auto& [name, value] : s.metrics) j[name] = value;
  j["loss"] = s.loss;
  j["examples"] = s.count;
  return j;
}

Log make_log(bool quiet) {
  if (quiet) return [](const std::string&) {};
  const auto start = std::chrono::steady_clock::now();
  return [start](const std::string& line) {
    std::fprintf(stderr, "[%7.1f s] %s\n",
                 std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), line.c_str());
  };
}

void write_model_folder(const model::Model& model, const std::filesystem::path& vocab, const std::filesystem::path& out,
                        const std::map<std::string, std::string>& reports, checkpoint::Dtype dtype) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(out) && !(fs::is_directory(out) && (fs::is_empty(out, error) || fs::exists(out / "config.json"))))
    throw Error(ErrorCode::file, "'" + out.string() + "' exists and is not a model folder; choose another --out");
  fs::path full = fs::absolute(out).lexically_normal();
  if (!full.has_filename()) full = full.parent_path();
  const fs::path temporary = full.parent_path() / ("." + full.filename().string() + ".part" + std::to_string(getpid()));
  try {
    fs::create_directories(temporary);
    model::save_model(model, temporary, vocab, dtype);
    for (const auto& [name, text] : reports) write_file_atomically(temporary / name, text);
    if (fs::exists(full)) {  // keep what else stands there, such as a README
      for (const auto& entry : fs::directory_iterator(temporary))
        fs::rename(entry.path(), full / entry.path().filename());
      fs::remove_all(temporary);
    } else {
      fs::rename(temporary, full);
    }
  } catch (const fs::filesystem_error& e) {
    fs::remove_all(temporary, error);
    throw Error(ErrorCode::file, std::string("cannot write the model folder: ") + e.what());
  } catch (...) {
    fs::remove_all(temporary, error);
    throw;
  }
}

}  // namespace thex::convert
