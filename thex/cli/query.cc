#include "thex/cli/query.h"

#include <algorithm>
#include <span>

#include "thex/base/error.h"
#include "thex/cli/report.h"
#include "thex/data/tags.h"

namespace thex::cli {

Query make_query(const Text& text, const client::ClientModel& model) {
  Query query{.text = text.text, .pair = text.pair};
  if (!by_token(model.model.config.task)) {
    query.encoding = model.encode(text.text, text.pair);
    return query;
  }
  if (text.pair) {
    throw Error(ErrorCode::usage, "the model classifies the tokens of one text; it takes no second one");
  }
  query.words = text.words;
  if (query.words.empty()) {
    query.spans = model.tokenizer.split_words(text.text);
    for (const text::TextSpan& span : query.spans)
      query.words.push_back(text.text.substr(span.begin, span.end - span.begin));
  }
  query.encoding = model.encode_words(query.words);
  return query;
}

std::vector<WordTag> word_tags(const client::Answer& result, const Query& query, const model::ModelConfig& config) {
  const std::size_t labels = config.labels.size();
  const auto outside = std::find(config.labels.begin(), config.labels.end(), "O");
  const std::size_t none =
      outside == config.labels.end() ? 0 : static_cast<std::size_t>(outside - config.labels.begin());
  std::vector<WordTag> tags;
  for (const std::optional<std::size_t>& token : query.encoding.first_tokens(query.words.size())) {
    if (!token) {
      tags.push_back({none, std::nullopt});
      continue;
    }
    const auto [label, score] = client::top_label(std::span(result.logits).subspan(*token * labels, labels));
    tags.push_back({label, score});
  }
  return tags;
}

std::vector<TextEntity> entities(const std::vector<WordTag>& tags, const Query& query,
                                 const model::ModelConfig& config) {
  if (!data::scheme_of(config.labels)) return {};
  std::vector<std::string> names;
  for (const WordTag& tag : tags) names.push_back(config.labels.at(tag.label));
  std::vector<TextEntity> all;
  for (const data::Entity& found : data::entities_of(names)) {
    TextEntity entity{.type = found.type, .text = {}, .begin = found.begin, .end = found.end};
    for (std::size_t w = found.begin; w < found.end; ++w) {
      entity.score += tags[w].score.value_or(0) / static_cast<double>(found.end - found.begin);
      if (query.spans.empty()) entity.text += (w > found.begin ? " " : "") + query.words[w];
    }
    if (!query.spans.empty()) {
      const std::size_t begin = query.spans[found.begin].begin;
      entity.text = query.text.substr(begin, query.spans[found.end - 1].end - begin);
    }
    all.push_back(std::move(entity));
  }
  return all;
}

}  // namespace thex::cli
