// Digests of everything that decides a model's answers, part by part, so that two sides that hold different parts of it
// can tell whether they mean the same model, and which part differs when they do not.
//
// Each is BLAKE2b-256 (RFC 7693) with a personal string of its own. Weights and embeddings: the tensors of Part::server
// and Part::client by canonical name, shape and float values, whatever files and number formats they come from; the
// embeddings also cover the epsilon of the LayerNorm that the client computes. Tokenizer: the vocabulary line by line
// and every setting that changes ids. Labels: the task and the labels in order. The circuit itself (heads, activations,
// parameters) is what the plan's fingerprint covers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "thex/base/hasher.h"
#include "thex/model/model.h"
#include "thex/text/tokenizer.h"

namespace thex::model {

using Digest = Hasher::Digest;

enum class ModelPart : std::uint8_t { weights, embeddings, tokenizer, labels };
inline constexpr std::size_t kModelPartCount = 4;
// "weights", "embeddings", "tokenizer", "labels"; and as a sentence names it: "vocabulary or tokenizer settings".
std::string_view name_of(ModelPart part);
std::string_view describe(ModelPart part);

// What one side knows of a model; a part that it does not hold is unknown.
struct ModelDigests {
  std::array<std::optional<Digest>, kModelPartCount> parts;

  std::optional<Digest>& of(ModelPart part) { return parts[static_cast<std::size_t>(part)]; }
  const std::optional<Digest>& of(ModelPart part) const { return parts[static_cast<std::size_t>(part)]; }
  bool complete() const;
  bool operator==(const ModelDigests&) const = default;
};

// What `a` knows, and what only `b` knows.
ModelDigests merged(const ModelDigests& a, const ModelDigests& b);

Digest tokenizer_digest(const text::Tokenizer& tokenizer);
Digest labels_digest(const ModelConfig& config);

// Every part that is known to the process that loaded `model` from `folder`: tensors in memory as they are, the other
// side's tensors from the folder's files where it has them, one tensor in memory at a time. `tokenizer`: null to load
// it from the folder, where it has a vocabulary. Throws Error(model) for files that are damaged and for tensors in
// memory of another shape than the configuration says, Error(file).
ModelDigests model_digests(const Model& model, const text::Tokenizer* tokenizer, const std::filesystem::path& folder);
// The same without anything loaded: what the folder's files say.
ModelDigests model_digests(const std::filesystem::path& folder);

// The digest of the whole: the plan's digest and the four parts. Throws Error(usage) when a part is unknown.
Digest model_digest(std::span<const std::byte> plan_digest, const ModelDigests& digests);
Digest model_digest(std::string_view plan_digest, const ModelDigests& digests);

}  // namespace thex::model
