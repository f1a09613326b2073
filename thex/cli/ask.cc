#include "thex/cli/ask.h"

#include <algorithm>
#include <utility>

#include "thex/client/batches.h"

namespace thex::cli {
namespace {

using Query = std::vector<std::size_t>;  // the numbers of its sentences

std::vector<Query> queries_of(const encoder::InferencePlan& plan, std::span<const text::Encoding> sentences,
                              bool one_by_one) {
  std::vector<Query> queries;
  if (one_by_one) {
    for (std::size_t i = 0; i < sentences.size(); ++i) queries.push_back({i});
    return queries;
  }
  std::vector<int> lengths;
  for (const text::Encoding& sentence : sentences) lengths.push_back(static_cast<int>(sentence.ids.size()));
  queries = client::make_batches(plan, lengths);
  std::ranges::sort(queries, {}, [](const Query& query) { return *std::ranges::min_element(query); });
  return queries;
}

}  // namespace

void ask(transport::Session& session, const client::ClientModel& model, std::span<const text::Encoding> sentences,
         bool one_by_one, const OnAnswers& on_answers) {
  for (const Query& query : queries_of(model.plan, sentences, one_by_one)) {
    std::vector<text::Encoding> together;
    for (const std::size_t i : query) together.push_back(sentences[i]);
    on_answers(query, session.classify_batch(together));
  }
}

}  // namespace thex::cli
