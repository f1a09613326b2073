#include "thex/encoder/ledger.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>

#include "thex/encoder/protocol_table.h"

namespace thex::encoder {
namespace {

std::string with_digits(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

// What the client learns in the end.
std::string outputs(const model::ModelConfig& config, const EncoderProtocol& row) {
  const model::HeadRow& head = row_of(config.task);
  const std::string of_text =
      head.classes ? "the " + std::to_string(config.labels.size()) + " logits" : "the predicted value";
  return head.by_token ? of_text + " of every token (of padding: " + row.outputs_of_padding + ")" : of_text;
}

std::string noise_on_outputs(const InferencePlan& plan) {
  if (!plan.hides_answers()) return "";
  double flood = 0;
  for (std::size_t i = 0; i < plan.shapes.size(); ++i) flood = std::max(flood, plan.flood_deviation(i));
  return " with noise of deviation 2^" + with_digits(std::log2(flood), 1) +
         " that the server adds (the mean of k queries for one text takes log2(k)/2 bits of it away)";
}

// How well masks hide what is refreshed, of one query and of many.
std::string masked_values(const InferencePlan& plan) {
  const std::optional<double> bits = plan.statistical_bits();
  if (!bits) return "";
  constexpr int kManyQueries = 20;  // log2
  return ", and values under masks, which are within a statistical distance of 2^-" + with_digits(*bits, 0) +
         " of random ones in a query (2^-" + with_digits(*bits - kManyQueries, 0) + " in 2^" +
         std::to_string(kManyQueries) + " queries)";
}

// A client that does not keep to the protocol.
std::string seen_by_cheat(const InferencePlan& plan) {
  if (plan.statistical_bits() && plan.hides_answers())
    return "by answering with other values than those under masks: what the layers that follow make of them, in the "
           "logits; nothing limits it but the rate of queries";
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

std::vector<LedgerEntry> make_ledger(const model::ModelConfig& config, const InferencePlan& plan) {
  const EncoderProtocol& row = encoder_row(plan.protocol);
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
      {"client", outputs(config, row) + noise_on_outputs(plan) + ", the model's shape, embedding tables and tokenizer" +
                     row.seen_by_client(config) + masked_values(plan)},
      {"cheating client", seen_by_cheat(plan)},
      {"network", "addresses, " + keys + ", the length bucket" + (batches ? " or batch" : "") +
                      " from message sizes, the number of queries, " + rounds_text(plan.rounds) +
                      (plan.rounds == 1 ? " and its timing" : " and their timing")},
  };
}

}  // namespace thex::encoder
