// A client that changes what it encrypts in its turns, and otherwise does what client/query.h does. What it asks need
// not be a text.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "thex/circuit/answers.h"
#include "thex/circuit/secret/client_turn.h"
#include "thex/ckks/serialization.h"
#include "thex/client/keys.h"
#include "thex/client/model.h"
#include "thex/protocol/message_sizes.h"
#include "thex/protocol/step_ciphertexts.h"
#include "thex/transport/connection.h"

namespace thex::testing {

class LyingClient {
 public:
  // Changes what an honest client would send after a step.
  using Lie = std::function<void(std::size_t step, std::vector<ckks::SeededCiphertext>& reply)>;

  // All arguments must outlive it. `embeddings`: as ClientTurn::first takes them.
  LyingClient(const client::ClientModel& model, const client::ClientKeys& keys, std::size_t program,
              const circuit::Lengths& lengths, std::span<const double> embeddings, Lie lie)
      : model_(model), program_(program), lie_(std::move(lie)), turn_(plan(), program, keys.secret, lengths, 2) {
    std::vector<ckks::SeededCiphertext> question = turn_.first(embeddings);
    lie_(0, question);
    first_ = pack(protocol::MessageType::query, program_, question);
    binding_ = protocol::binding_of(protocol::fingerprint(model.plan), keys.fingerprint, first_.payload);
  }

  const protocol::Message& first() const { return first_; }
  protocol::Expected expected() const {
    return {step_ == steps() ? protocol::MessageType::result : protocol::MessageType::step,
            protocol::message_bytes(protocol::step_sizes(model_.plan, program_, step_))};
  }
  // The reply to a step, nothing after the result.
  std::optional<protocol::Message> take(const protocol::Message& message) {
    std::vector<ckks::Ciphertext> received = protocol::read_step(model_.plan, program_, step_, message.payload, 1);
    received = circuit::unbind_from_query(*plan().context, plan().programs[program_], plan().program_plans[program_],
                                          step_, std::move(received), binding_);
    if (step_ == steps()) {
      result_ = std::move(received);
      return std::nullopt;
    }
    std::vector<ckks::SeededCiphertext> reply = turn_.answer(step_, received);
    lie_(step_, reply);
    return pack(protocol::MessageType::step_reply, step_++, reply);
  }
  // Of every place of the query, after the result. Throws Error(protocol) where an honest client refuses it.
  std::vector<double> outputs() const { return turn_.result(result_, binding_); }

 private:
  const circuit::Plan& plan() const { return model_.plan.circuits; }
  std::size_t steps() const { return plan().programs[program_].steps.size(); }
  protocol::Message pack(protocol::MessageType type, std::size_t index,
                         std::span<const ckks::SeededCiphertext> ciphertexts) const {
    std::vector<protocol::Bytes> bytes;
    for (const ckks::SeededCiphertext& c : ciphertexts) bytes.push_back(ckks::serialize(*plan().context, c));
    return {type, encode(protocol::CiphertextsHead{static_cast<std::uint32_t>(index),
                                                   static_cast<std::uint32_t>(bytes.size()), 0},
                         bytes)};
  }

  const client::ClientModel& model_;
  const std::size_t program_;
  const Lie lie_;
  circuit::ClientTurn turn_;
  protocol::Message first_;
  ckks::Binding binding_{};
  std::size_t step_ = 1;
  std::vector<ckks::Ciphertext> result_;
};

// Says hello for keys that the server holds.
inline void greet(transport::Connection& connection, const client::ClientModel& model, const client::ClientKeys& keys) {
  const protocol::Expected info[] = {{protocol::MessageType::server_info, protocol::kMaxInfoBytes}};
  connection.send(protocol::MessageType::hello,
                  encode(protocol::Hello{protocol::fingerprint(model.plan), model.parts, keys.fingerprint}),
                  in(std::chrono::minutes(1)));
  if (!protocol::parse_server_info(connection.receive(info, in(std::chrono::minutes(1))).payload).has_keys)
    throw Error(ErrorCode::keys, "the server does not hold the keys");
}

// Asks over a connection that has said hello. Throws what the server reports.
inline void play(transport::Connection& connection, LyingClient& client) {
  std::optional<protocol::Message> next = client.first();
  while (next) {
    connection.send(next->type, next->payload, in(std::chrono::minutes(1)));
    const protocol::Expected expected[] = {client.expected(), {protocol::MessageType::error, protocol::kMaxErrorBytes}};
    const protocol::Message message = connection.receive(expected, in(std::chrono::minutes(10)));
    if (message.type == protocol::MessageType::error) protocol::throw_peer_error(message.payload, connection.peer());
    next = client.take(message);
  }
}

}  // namespace thex::testing
