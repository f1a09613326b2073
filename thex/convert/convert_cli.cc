#include "thex/convert/convert_cli.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "thex/base/clock.h"
#include "thex/base/error.h"
#include "thex/base/printable.h"
#include "thex/convert/memory.h"

namespace thex::convert {

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

void tell_resources(const MemoryEstimate& need, std::size_t batch, const std::filesystem::path& work,
                    std::size_t stages, const Log& log) {
  const std::uint64_t there = available_memory();
  auto mib = [](std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; };
  log("memory: at most about " + mib(need.total()) + " for batches of " + std::to_string(batch) + " (" +
      mib(need.parameters) + " for parameters)" + (there ? ", " + mib(there) + " are available" : ""));
  if (there && need.total() > there) log("warning: this may not fit; lower --batch or --max-length");
  // One copy a stage; the state between two epochs is four, and two of it exist while it is replaced.
  const std::uint64_t room = need.weights * (stages + 8);
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
  const auto start = Clock::now();
  return [start](const std::string& line) {
    std::fprintf(stderr, "[%7.1f s] %s\n", seconds_since(start), printable(line).c_str());
  };
}

}  // namespace thex::convert
