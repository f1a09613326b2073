// Any bytes as a training checkpoint: an Error(model), no checkpoint, or a module that computes. Needs libtorch
// (-DTHEX_TRAINING=ON).
#include <ATen/core/ivalue.h>  // before libtorch's other headers: clang wants it complete

#include <cstring>
#include <fstream>
#include <iterator>

#include "fuzz/scratch_folder.h"
#include "fuzz/small_model.h"
#include "thex/base/error.h"
#include "thex/convert/checkpoint.h"

namespace {

using namespace thex;

struct World {
  World() {
    model::ModelConfig config = fuzz::small_config();
    config.thex.reset();
    store.save_module("module", convert::EncoderModule(config, 1, torch::kCPU), {{"held", "0.5"}});
    std::ifstream in(folder.path() / "module.safetensors", std::ios::binary);
    valid = {std::istreambuf_iterator<char>(in), {}};
    std::uint64_t header = 0;
    std::memcpy(&header, valid.data(), 8);
    data = valid.substr(8 + header);
    batch.ids = at::zeros({1, 3}, torch::kInt64);
    batch.unique = at::zeros({1}, torch::kInt64);
    batch.types = at::zeros({1, 3}, torch::kInt64);
    batch.mask = at::ones({1, 3});
    batch.labels = batch.index = at::zeros({1}, torch::kInt64);
    batch.weight = at::ones({1});
  }
  fuzz::ScratchFolder folder;
  convert::CheckpointStore store{folder.path(), "f"};
  std::string valid, data;
  convert::Batch batch;
};

template <typename F>
void allow_model_errors(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::model) std::abort();
  }
}

const World& the_world() {
  static const World instance;
  return instance;
}

}  // namespace

// Before the clock of the first input starts.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  the_world();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const World& world = the_world();
  if (size == 0) return 0;
  std::string bytes(fuzz::text_of(data + 1, size - 1));
  if (data[0] & 1) {  // a header of the fuzzer's before the data of a valid file
    const std::uint64_t length = bytes.size();
    bytes = std::string(reinterpret_cast<const char*>(&length), 8) + bytes + world.data;
  }
  for (const char* name : {"module.safetensors", "table.safetensors"}) world.folder.write(name, bytes);
  allow_model_errors([&] {
    const auto loaded = world.store.load_module("module", torch::kCPU);
    if (!loaded || loaded->module.config.hidden > 256) return;
    allow_model_errors([&] { loaded->number("held"); });
    const at::NoGradGuard no_gradients;
    const auto logits = loaded->module.forward(world.batch, {}).logits;
    if (logits.size(1) != static_cast<std::int64_t>(loaded->module.config.labels.size())) std::abort();
  });
  allow_model_errors([&] { world.store.load_table("table"); });
  return 0;
}
