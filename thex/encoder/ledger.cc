#include "thex/encoder/ledger.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

namespace thex::encoder {
namespace {

std::string with_digits(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

// What the client learns in the end.
std::string outputs(const model::ModelConfig& config, model::Protocol protocol) {
  const std::size_t labels = config.labels.size();
  switch (config.task) {
    case model::Task::classification:
      return "the " + std::to_string(labels) + " logits";
    case model::Task::regression:
      return "the predicted value";
    case model::Task::token_classification:
      break;
  }
  return "the " + std::to_string(labels) + " logits of every token (of padding: " +
         (protocol == model::Protocol::the_x ? "a constant of the model)" : "what follows from its own sentence)");
}

std::string noise_on_outputs(const InferencePlan& plan) {
  if (!plan.hides_answers()) return "";
  double flood = 0;
  for (std::size_t i = 0; i < plan.shapes.size(); ++i) flood = std::max(flood, plan.flood_deviation(i));
  return " with noise of deviation 2^" + with_digits(std::log2(flood), 1) +
         " that the server adds (the mean of k queries for one text takes log2(k)/2 bits of it away)";
}

// What it sees beyond them.
std::string seen_by_client(const model::ModelConfig& config, const InferencePlan& plan) {
  if (plan.hides_answers()) return "";
  return ", and every ReLU input of its own sentence: attention scores, the softmax estimation's " +
         std::to_string(2 * model::kEstimationWidth) + " units for each head and token, " + std::to_string(config.ffn) +
         " feed-forward units for each token and layer (from many of them a client can work out weights); residual "
         "values pass it under a statistical mask";
}

// A client that does not keep to the protocol.
std::string seen_by_cheat(const InferencePlan& plan) {
  if (!plan.hides_answers())
    return "what it can make of those values by encrypting other things than sentences: nothing limits it but the rate "
           "of queries";
  double sentence = 0, batch = 0;
  for (std::size_t i = 0; i < plan.shapes.size(); ++i) {
    double& most = plan.shapes[i].sentences > 1 ? batch : sentence;
    most = std::max(most, *plan.exposed_bits(i));
  }
  return "by encrypting other things than sentences: up to " + with_digits(sentence, 0) +
         " bits about the weights from an answer" +
         (batch > 0 ? ", " + with_digits(batch, 0) + " from one to a batch" : std::string()) +
         "; nothing limits it but the rate of queries";
}

}  // namespace

std::vector<LedgerEntry> make_ledger(const model::ModelConfig& config, model::Protocol protocol,
                                     const InferencePlan& plan) {
  std::string sizes;
  for (std::size_t i = 0; i < plan.bucket_count(); ++i)
    sizes += (i == 0 ? "" : "/") + std::to_string(plan.shapes[i].tokens);
  const bool batches = plan.shapes.size() > plan.bucket_count();
  const std::string keys = "a fingerprint of the client's keys, which links its queries until it makes new ones";
  return {
      {"server", "the length bucket (" + sizes + " tokens)" +
                     (batches ? ", whether a query is a batch (not how full it is; the number of batches tells about "
                                "how many sentences a file has)"
                              : "") +
                     ", the time of the query, the client's evaluation keys, " + keys +
                     "; nothing of the text, the activations or the result"},
      {"client", outputs(config, protocol) + noise_on_outputs(plan) +
                     ", the model's shape, embedding tables and tokenizer" + seen_by_client(config, plan)},
      {"cheating client", seen_by_cheat(plan)},
      {"network", "addresses, " + keys + ", the length bucket" + (batches ? " or batch" : "") +
                      " from message sizes, the number of queries, " + rounds_text(plan.rounds) +
                      (plan.rounds == 1 ? " and its timing" : " and their timing")},
  };
}

}  // namespace thex::encoder
