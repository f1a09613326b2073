// The client's part of a model: tokenizer, embedding tables, labels, and the plan that config.json implies.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "thex/encoder/inference_plan.h"
#include "thex/model/model.h"
#include "thex/protocol/model_parts.h"
#include "thex/text/tokenizer.h"

namespace thex::client {

struct ClientModel {
  model::Model model;
  text::Tokenizer tokenizer;
  encoder::InferencePlan plan;
  model::ModelDigests parts;  // digests of what this client has; unknown parts are not compared

  // Token ids of a text or a pair of texts. Throws Error(input) for text that is not UTF-8 or longer than the largest
  // bucket.
  text::Encoding encode(std::string_view text, std::optional<std::string_view> pair = std::nullopt) const;
  // Of a sentence whose words are given (text::Tokenizer::encode_words). Throws alike.
  text::Encoding encode_words(std::span<const std::string> words) const;
};

// `request`: client and server must agree on it. Throws Error(model) for a folder that is
// damaged, not HE-friendly or too large for the protocol, Error(file) for one that cannot be read.
ClientModel load_client_model(const std::filesystem::path& folder, const encoder::PlanRequest& request);

}  // namespace thex::client
