// What the two commands of thex-convert share beside their arguments: the device, progress, and what a training needs.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "thex/convert/command_arguments.h"
#include "thex/convert/memory.h"

namespace thex::convert {

// Sets threads and the seed of the global generator, checks the device. Throws Error(usage) when there is no CUDA
// device.
torch::Device prepare(const CommonArguments& arguments);

// Says what a training needs beside what there is: memory, and room for `stages` checkpoints in `work`.
void tell_resources(const MemoryEstimate& need, std::size_t batch, const std::filesystem::path& work,
                    std::size_t stages, const Log& log);

nlohmann::ordered_json score_json(const Score& score);

// Progress on stderr with the time since the start.
Log make_log(bool quiet);

int run_convert(int argc, char** argv);
int run_make_plain(int argc, char** argv);

}  // namespace thex::convert
