// The client: embeds and encrypts text, answers the server's steps, decrypts the logits.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "thex/encoder/inference_plan.h"
#include "thex/model/model.h"
#include "thex/protocol/key_files.h"
#include "thex/protocol/messages.h"
#include "thex/protocol/transport.h"
#include "thex/text/tokenizer.h"

namespace thex::protocol {

// The client bundle of a model folder: tokenizer, embedding tables, labels, and the plan that config.json implies.
struct ClientModel {
  model::Model model;
  text::Tokenizer tokenizer;
  encoder::InferencePlan plan;

  // Token ids of a text or a pair of texts. Throws Error(input) for text that is empty, not UTF-8, or longer than the
  // largest bucket.
  text::Encoding encode(std::string_view text, std::optional<std::string_view> pair = std::nullopt) const;
  // Of a sentence whose words are given (text::Tokenizer::encode_words). Throws alike.
  text::Encoding encode_words(std::span<const std::string> words) const;
};

// `max_tokens`: the largest length bucket; client and server must agree on it.
ClientModel load_client_model(const std::filesystem::path& folder, int max_tokens);

// Seconds of one query, by phase.
struct PhaseTimes {
  double embed = 0;    // tokenizer and embedding
  double encrypt = 0;  // encode, encrypt, serialize the first message
  double relu = 0;     // the rounds: decrypt, ReLU, encrypt
  double server = 0;   // as the server reports it
  double network = 0;  // all waiting, less the server's time
  double decrypt = 0;  // the logits
  double total = 0;
};

// The answer to a query.
struct Classification {
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

struct SessionOptions {
  int threads = 2;                             // for encryption and decryption
  std::chrono::milliseconds timeout{120'000};  // for one message of the server, its work included
};

// What connecting cost.
struct SessionSetup {
  bool keys_uploaded = false;
  double seconds = 0;
  std::uint64_t bytes_sent = 0;
  std::string server_json;  // the server's description of itself
};

// One connection to a server. Keys are uploaded when the server does not hold them yet. Not for several threads at
// once. `model` and `keys` must outlive the session. Every method throws Error(network), Error(protocol) or what the
// server reports.
class Session {
 public:
  Session(std::unique_ptr<Connection> connection, const ClientModel& model, const ClientKeys& keys,
          const SessionOptions& options = {});
  ~Session();

  const SessionSetup& setup() const { return setup_; }
  Classification classify(std::string_view text, std::optional<std::string_view> pair = std::nullopt);
  // For token ids that are there already.
  Classification classify(const text::Encoding& encoding);
  // Several sentences in one query, answers in their order. Throws Error(input) when the plan has no batch that holds
  // them; see batches.h.
  std::vector<Classification> classify_batch(std::span<const text::Encoding> encodings);

 private:
  Frame receive(std::span<const Expected> expected);
  void handshake();
  // One query: what it answers, with its cost.
  Classification query(std::size_t program, std::span<const double> embeddings, const std::vector<int>& lengths);
  Bytes pack(std::size_t index, std::span<const ckks::SeededCiphertext> ciphertexts) const;
  std::vector<ckks::Ciphertext> unpack(ByteView payload, std::span<const std::size_t> sizes) const;

  std::unique_ptr<Connection> connection_;
  const ClientModel& model_;
  const ClientKeys& keys_;
  SessionOptions options_;
  SessionSetup setup_;
};

// Index and softmax probability of the largest logit.
std::pair<std::size_t, double> top_label(std::span<const double> logits);

}  // namespace thex::protocol
