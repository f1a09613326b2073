#include "thex/model/digest.h"

#include <algorithm>
#include <map>
#include <utility>

#include "thex/base/error.h"
#include "thex/model/model_files.h"
#include "thex/model/tokenizer_files.h"

namespace thex::model {
namespace {

Digest tensor_digest(const std::string& name, const checkpoint::Tensor& tensor) {
  Hasher hasher("thex tensor 1");
  hasher.text(name);
  hasher.number(tensor.shape.size());
  for (const std::int64_t dimension : tensor.shape) hasher.number(static_cast<std::uint64_t>(dimension));
  hasher.bytes(tensor.data.data(), tensor.data.size() * sizeof(float));
  return hasher.finish();
}

// The tensors of one side by name, so that the order in which files hold them has no influence.
Digest tensors_digest(std::string_view purpose, const std::map<std::string, Digest>& tensors, double epsilon) {
  Hasher hasher(purpose);
  hasher.real(epsilon);
  hasher.number(tensors.size());
  for (const auto& [name, digest] : tensors) hasher.bytes(digest.data(), digest.size());
  return hasher.finish();
}

Digest side_digest(const ModelConfig& config, Part part, const std::map<std::string, Digest>& tensors) {
  return part == Part::server ? tensors_digest("thex weights 1", tensors, 0)
                              : tensors_digest("thex embedding 1", tensors, config.layer_norm_eps);
}

// Of a side that the model holds.
Digest loaded_digest(const Model& model, Part part) {
  std::map<std::string, Digest> tensors;
  for (const auto& [name, shape] : expected_tensors(model.config, part)) {
    const checkpoint::Tensor& tensor = model.tensors.at(name);
    if (tensor.shape != shape)
      throw Error(ErrorCode::model, "tensor \"" + name + "\" has another shape than config.json says");
    tensors.emplace(name, tensor_digest(name, tensor));
  }
  return side_digest(model.config, part, tensors);
}

bool holds(const Model& model, Part part) {
  const auto expected = expected_tensors(model.config, part);
  return std::all_of(expected.begin(), expected.end(), [&](const auto& t) { return model.tensors.contains(t.first); });
}

// Of the files, one tensor in memory at a time; nothing when they do not hold that side.
std::optional<Digest> stored_digest(const ModelFiles& files, Part part) {
  if (!files.holds(part)) return std::nullopt;
  std::map<std::string, Digest> tensors;
  files.visit(part, [&](const std::string& name, const checkpoint::Tensor& tensor) {
    tensors.emplace(name, tensor_digest(name, tensor));
  });
  return side_digest(files.config(), part, tensors);
}

constexpr std::pair<ModelPart, Part> kSides[] = {{ModelPart::weights, Part::server},
                                                 {ModelPart::embeddings, Part::client}};

}  // namespace

std::string_view name_of(ModelPart part) {
  constexpr std::array<std::string_view, kModelPartCount> kNames{"weights", "embeddings", "tokenizer", "labels"};
  return kNames[static_cast<std::size_t>(part)];
}

std::string_view describe(ModelPart part) {
  constexpr std::array<std::string_view, kModelPartCount> kWords{"weights", "embeddings",
                                                                 "vocabulary or tokenizer settings", "labels or task"};
  return kWords[static_cast<std::size_t>(part)];
}

bool ModelDigests::complete() const {
  return std::all_of(parts.begin(), parts.end(), [](const auto& part) { return part.has_value(); });
}

ModelDigests merged(const ModelDigests& a, const ModelDigests& b) {
  ModelDigests result = a;
  for (std::size_t i = 0; i < kModelPartCount; ++i) {
    if (!result.parts[i]) result.parts[i] = b.parts[i];
  }
  return result;
}

Digest tokenizer_digest(const text::Tokenizer& tokenizer) {
  Hasher hasher("thex tokenizer 1");
  hasher.text(tokenizer.settings());
  hasher.number(static_cast<std::uint64_t>(tokenizer.vocab_size()));
  for (std::int32_t id = 0; id < tokenizer.vocab_size(); ++id) hasher.text(tokenizer.token(id));
  return hasher.finish();
}

Digest labels_digest(const ModelConfig& config) {
  Hasher hasher("thex labels 1");
  hasher.text(name_of(config.task));
  hasher.number(config.labels.size());
  for (const std::string& label : config.labels) hasher.text(label);
  return hasher.finish();
}

ModelDigests model_digests(const Model& model, const text::Tokenizer* tokenizer, const std::filesystem::path& folder) {
  ModelDigests digests;
  digests.of(ModelPart::labels) = labels_digest(model.config);
  if (tokenizer != nullptr) {
    digests.of(ModelPart::tokenizer) = tokenizer_digest(*tokenizer);
  } else if (has_vocabulary(folder)) {
    digests.of(ModelPart::tokenizer) = tokenizer_digest(load_tokenizer(folder, model.config));
  }
  std::optional<ModelFiles> files;
  for (const auto& [which, part] : kSides) {
    if (holds(model, part)) {
      digests.of(which) = loaded_digest(model, part);
      continue;
    }
    if (!files && checkpoint::WeightFiles::present(folder)) files.emplace(folder);
    if (files) digests.of(which) = stored_digest(*files, part);
  }
  return digests;
}

ModelDigests model_digests(const std::filesystem::path& folder) {
  std::optional<ModelFiles> files;
  if (checkpoint::WeightFiles::present(folder)) files.emplace(folder);
  const ModelConfig config = files ? files->config() : load_config(folder);
  ModelDigests digests;
  digests.of(ModelPart::labels) = labels_digest(config);
  if (has_vocabulary(folder)) digests.of(ModelPart::tokenizer) = tokenizer_digest(load_tokenizer(folder, config));
  for (const auto& [which, part] : kSides)
    if (files) digests.of(which) = stored_digest(*files, part);
  return digests;
}

Digest model_digest(std::span<const std::byte> plan_digest, const ModelDigests& digests) {
  Hasher hasher("thex model 1");
  hasher.text({reinterpret_cast<const char*>(plan_digest.data()), plan_digest.size()});
  for (std::size_t i = 0; i < kModelPartCount; ++i) {
    if (!digests.parts[i]) {
      throw Error(ErrorCode::usage, "the model's digest needs its " + std::string(name_of(static_cast<ModelPart>(i))) +
                                        ", which are unknown here");
    }
    hasher.bytes(digests.parts[i]->data(), digests.parts[i]->size());
  }
  return hasher.finish();
}

Digest model_digest(std::string_view plan_digest, const ModelDigests& digests) {
  return model_digest(std::as_bytes(std::span(plan_digest.data(), plan_digest.size())), digests);
}

}  // namespace thex::model
