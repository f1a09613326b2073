// What comes of a query: the logits of each sentence, and what they cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace thex::client {

// Seconds of one query, by phase.
struct PhaseTimes {
  double embed = 0;    // tokenizer and embedding
  double encrypt = 0;  // encode, encrypt, serialize the first message
  double turns = 0;    // the client's turns: decrypt, apply the step's function, encrypt
  double server = 0;   // as the server reports it
  double network = 0;  // all waiting, less the server's time
  double decrypt = 0;  // the logits
  double total = 0;
};

// The answer to one sentence.
struct Answer {
  // rows x labels, row-major. Token classification: one row for each token, special ones included; else one row. A
  // regression's value is the only number.
  std::vector<double> logits;
  std::size_t rows = 1;
  std::size_t label = 0;  // classification: index of the largest logit
  double score = 0;       // its softmax probability
  int tokens = 0;
  int bucket = 0;  // tokens after padding
  PhaseTimes seconds;
  std::uint64_t bytes_sent = 0, bytes_received = 0;  // of this query, headers included
  int sentences = 1;                                 // answered by the same query, whose time and traffic these are
};

// Index and softmax probability of the largest logit.
std::pair<std::size_t, double> top_label(std::span<const double> logits);

}  // namespace thex::client
