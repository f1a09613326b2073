// Any bytes as one of the files of a model folder (configuration, tokenizer, vocabulary, weights, index of shards,
// pickle of pytorch_model.bin, other descriptions of the tokenizer), the others as they should be: an Error(model) or
// Error(file), or a model with every tensor of its configuration; and the plan that client and server would compute
// from it. The first byte chooses the file.
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/scratch_folder.h"
#include "fuzz/small_model.h"
#include "tests/support/pytorch_writer.h"
#include "thex/base/error.h"
#include "thex/client/model.h"
#include "thex/encoder/inference_plan.h"
#include "thex/model/tokenizer_files.h"

namespace {

using namespace thex;

struct Files {
  Files() {
    const std::string vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\ne\n";
    model::save_model(fuzz::small_model(), folder.path(), folder.write("tokens", vocab), checkpoint::Dtype::f32);
    for (std::size_t i = 0; i < std::size(kNames); ++i) {
      std::ifstream in(folder.path() / kNames[i], std::ios::binary);
      contents[i] = {std::istreambuf_iterator<char>(in), {}};
    }
    folder.write("part.safetensors", contents[3]);  // what an index may name
    for (const auto& [name, tensor] : fuzz::small_model().tensors)
      members.emplace_back("archive/data/" + std::to_string(members.size() - 1),
                           std::string(reinterpret_cast<const char*>(tensor.data.data()), 4 * tensor.data.size()));
  }
  static constexpr const char* kNames[] = {"config.json", "tokenizer_config.json", "vocab.txt", "model.safetensors"};
  // Files that a folder need not have, by the first byte of an input.
  static constexpr std::pair<char, const char*> kOptional[] = {
      {'t', "tokenizer.json"}, {'m', "special_tokens_map.json"}, {'n', "added_tokens.json"}};
  static constexpr const char* kIndex = "model.safetensors.index.json";
  static constexpr const char* kPytorch = "pytorch_model.bin";
  fuzz::ScratchFolder folder;
  std::string contents[4];
  // The members of pytorch_model.bin, a storage for each tensor; the first is the pickle.
  std::vector<std::pair<std::string, std::string>> members{{"archive/data.pkl", ""}};
};

// A plan of a large model takes long; the planner's own limits are tested elsewhere.
bool quickly_planned(const model::ModelConfig& config) {
  return config.layers <= 2 && config.hidden <= 128 && config.ffn <= 256 && config.heads <= 2 &&
         config.labels.size() <= 32;
}

void load_parts(const Files& files) {
  for (const model::Part part : {model::Part::client, model::Part::server, model::Part::all}) {
    try {
      const model::Model model = model::load_model(files.folder.path(), part);
      for (const auto& [name, shape] : model::expected_tensors(model.config, part)) {
        std::size_t count = 1;
        for (const auto d : shape) count *= static_cast<std::size_t>(d);
        const auto found = model.tensors.find(name);
        if (found == model.tensors.end() || found->second.shape != shape || found->second.data.size() != count)
          std::abort();
      }
    } catch (const Error& error) {
      if (error.code() != ErrorCode::model && error.code() != ErrorCode::file) std::abort();
    }
  }
}

// Weights in another form than one safetensors file: an index of shards, or a pickle.
void other_weights(const Files& files, bool index, std::string input) {
  std::filesystem::remove(files.folder.path() / Files::kNames[3]);
  const char* const name = index ? Files::kIndex : Files::kPytorch;
  if (!index) {
    auto members = files.members;
    members.front().second = std::move(input);
    input = support::zip_of(members);
  }
  files.folder.write(name, input);
  load_parts(files);
  std::filesystem::remove(files.folder.path() / name);
  files.folder.write(Files::kNames[3], files.contents[3]);
}

// A file beside the usual ones that says something about the tokenizer: the same tokenizer, or an error.
void other_tokenizer_file(const Files& files, const char* name, std::string_view input) {
  files.folder.write(name, input);
  try {
    const model::ModelConfig config = model::load_config(files.folder.path());
    const auto tokenizer = model::load_tokenizer(files.folder.path(), config);
    for (const auto id : tokenizer.encode("a b [MASK] ce", "<x>d").ids) {
      if (id < 0 || id >= tokenizer.vocab_size()) std::abort();
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::model) std::abort();
  }
  std::filesystem::remove(files.folder.path() / name);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Files files;
  if (size == 0) return 0;
  if (data[0] == 'i' || data[0] == 'p') {
    other_weights(files, data[0] == 'i', std::string(fuzz::text_of(data + 1, size - 1)));
    return 0;
  }
  for (const auto& [letter, name] : Files::kOptional) {
    if (data[0] != static_cast<std::uint8_t>(letter)) continue;
    other_tokenizer_file(files, name, fuzz::text_of(data + 1, size - 1));
    return 0;
  }
  const std::size_t which = data[0] % 4;
  const auto input = fuzz::text_of(data + 1, size - 1);
  // Weights: a header of the fuzzer's before the data of the valid file, so that offsets and shapes can agree.
  std::string written(input);
  if (which == 3) {
    const std::string& valid = files.contents[3];
    std::uint64_t valid_header = 0;
    std::memcpy(&valid_header, valid.data(), 8);
    const std::uint64_t length = input.size();
    written.assign(reinterpret_cast<const char*>(&length), 8);
    written += input;
    written += std::string_view(valid).substr(8 + valid_header);
  }
  files.folder.write(Files::kNames[which], written);
  load_parts(files);
  try {
    const model::ModelConfig config = model::load_config(files.folder.path());
    if (which == 2) model::load_tokenizer(files.folder.path(), config);
    if (which == 0 && quickly_planned(config)) {
      const auto client = client::load_client_model(files.folder.path(), 16);
      if (client.plan.shapes.empty() || client.plan.circuits.context == nullptr) std::abort();
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::internal || error.code() == ErrorCode::protocol) std::abort();
  }
  files.folder.write(Files::kNames[which], files.contents[which]);
  return 0;
}
