// One query from the client's side, as a machine of values: encrypts, takes its turns, decrypts. No disk, no socket.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "thex/base/clock.h"
#include "thex/circuit/secret/client_turn.h"
#include "thex/client/answer.h"
#include "thex/client/keys.h"
#include "thex/client/model.h"
#include "thex/protocol/messages.h"

namespace thex::client {

class ClientQuery {
 public:
  // One query for all `sentences` (at least one). `model` and `keys` must outlive it. Throws Error(input) when the plan
  // has no batch that holds them; see batches.h.
  ClientQuery(const ClientModel& model, const ClientKeys& keys, std::span<const text::Encoding> sentences, int threads);

  ClientQuery(const ClientQuery&) = delete;
  ClientQuery& operator=(const ClientQuery&) = delete;

  // The message that asks. It may be sent again as it is when the server could not take it.
  const protocol::Message& first() const { return first_; }
  // What the server may answer next: a step, or the result.
  protocol::Expected expected() const;
  // Takes it. Returns the reply to a step, nothing after the result. Throws Error(protocol) for what the plan does not
  // allow.
  std::optional<protocol::Message> take(const protocol::Message& message);
  // After the result, one for each sentence. The times are those of this side: network and traffic are the carrier's to
  // add.
  std::vector<Answer> answers() const;

 private:
  protocol::Message pack(protocol::MessageType type, std::size_t index,
                         std::span<const ckks::SeededCiphertext> ciphertexts) const;

  const ClientModel& model_;
  const int threads_;
  std::vector<int> lengths_;  // tokens of each sentence
  std::size_t program_;
  std::vector<int> places_;  // lengths of all places of the batch, zero where it is empty
  circuit::ClientTurn turn_;
  protocol::Message first_;
  ckks::Binding binding_{};  // of the answer to this query
  std::size_t step_ = 1;     // the next one to come; after the last, the result
  std::vector<double> logits_;
  PhaseTimes seconds_;
};

}  // namespace thex::client
