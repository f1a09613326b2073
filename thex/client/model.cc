#include "thex/client/model.h"

#include <limits>
#include <utility>

#include "thex/model/tokenizer_files.h"

namespace thex::client {

text::Encoding ClientModel::encode(std::string_view text, std::optional<std::string_view> pair) const {
  if (pair) model::require_pairs(model.config);
  text::Encoding encoding = tokenizer.encode(text, pair, std::numeric_limits<int>::max());
  plan.program_for(static_cast<int>(encoding.ids.size()));
  return encoding;
}

text::Encoding ClientModel::encode_words(std::span<const std::string> words) const {
  text::Encoding encoding = tokenizer.encode_words(words, std::numeric_limits<int>::max());
  plan.program_for(static_cast<int>(encoding.ids.size()));
  return encoding;
}

ClientModel load_client_model(const std::filesystem::path& folder, const encoder::PlanRequest& request) {
  model::Model model = model::load_model(folder, model::Part::client);
  encoder::InferencePlan plan = encoder::plan_inference(model.config, request);
  text::Tokenizer tokenizer = model::load_tokenizer(folder, model.config);
  const model::ModelDigests parts = model::model_digests(model, &tokenizer, folder);
  return {std::move(model), std::move(tokenizer), std::move(plan), parts};
}

}  // namespace thex::client
