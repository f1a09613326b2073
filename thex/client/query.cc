#include "thex/client/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "thex/base/error.h"
#include "thex/base/parallel.h"
#include "thex/ckks/secret/wipe_later.h"
#include "thex/ckks/serialization.h"
#include "thex/model/reference.h"
#include "thex/protocol/message_sizes.h"
#include "thex/protocol/step_ciphertexts.h"

namespace thex::client {

using protocol::Bytes;
using protocol::ByteView;
using protocol::Message;
using protocol::MessageType;

namespace {

std::vector<int> lengths_of(std::span<const text::Encoding> sentences) {
  std::vector<int> lengths;
  for (const text::Encoding& e : sentences) lengths.push_back(static_cast<int>(e.ids.size()));
  return lengths;
}

// For each place of a query's shape.
std::vector<int> padded(std::vector<int> lengths, const encoder::QueryShape& shape) {
  lengths.resize(static_cast<std::size_t>(shape.sentences), 0);
  return lengths;
}

}  // namespace

ClientQuery::ClientQuery(const ClientModel& model, const ClientKeys& keys, std::span<const text::Encoding> sentences,
                         int threads)
    : model_(model),
      threads_(threads),
      lengths_(lengths_of(sentences)),
      program_(model.plan.batch_program_for(sentences.size(), *std::max_element(lengths_.begin(), lengths_.end()))),
      places_(padded(lengths_, model.plan.shapes[program_])),
      turn_(model.plan.circuits, program_, keys.secret, places_, threads) {
  const Time start = Clock::now();
  const encoder::QueryShape& shape = model.plan.shapes[program_];
  const std::size_t stride =
      static_cast<std::size_t>(shape.tokens) * static_cast<std::size_t>(model.model.config.hidden);
  std::vector<double> embeddings(stride * static_cast<std::size_t>(shape.sentences), 0.0);
  const ckks::secret::WipeLater wipe_embeddings(embeddings);
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    std::vector<double> rows = model::embed(model.model, sentences[i].ids, sentences[i].type_ids);
    const ckks::secret::WipeLater wipe_rows(rows);
    std::copy(rows.begin(), rows.end(), embeddings.begin() + static_cast<std::ptrdiff_t>(i * stride));
  }
  seconds_.embed = seconds_since(start);
  first_ = pack(MessageType::query, program_, turn_.first(embeddings));
  binding_ = protocol::binding_of(protocol::fingerprint(model.plan), keys.fingerprint, first_.payload);
  seconds_.total = seconds_since(start);
  seconds_.encrypt = seconds_.total - seconds_.embed;
}

Message ClientQuery::pack(MessageType type, std::size_t index,
                          std::span<const ckks::SeededCiphertext> ciphertexts) const {
  std::vector<Bytes> bytes(ciphertexts.size());
  parallel_for(bytes.size(), threads_,
               [&](std::size_t i) { bytes[i] = ckks::serialize(*model_.plan.circuits.context, ciphertexts[i]); });
  return {type, encode(protocol::CiphertextsHead{static_cast<std::uint32_t>(index),
                                                 static_cast<std::uint32_t>(bytes.size()), 0},
                       bytes)};
}

protocol::Expected ClientQuery::expected() const {
  const bool last = step_ == model_.plan.circuits.programs[program_].steps.size();
  return {last ? MessageType::result : MessageType::step,
          protocol::message_bytes(protocol::step_sizes(model_.plan, program_, step_))};
}

std::optional<Message> ClientQuery::take(const Message& message) {
  const Time start = Clock::now();
  const std::size_t steps = model_.plan.circuits.programs[program_].steps.size();
  if (step_ > steps) throw Error(ErrorCode::usage, "the query has been answered already");
  const protocol::Expected wanted = expected();
  protocol::check_expected(message.type, message.payload.size(), std::span(&wanted, 1));
  const protocol::CiphertextsHead head = protocol::parse_head(message.payload);
  if (head.index != step_)
    throw Error(ErrorCode::protocol, fmt::format("the server sent step {}, expected {}", head.index, step_));
  std::vector<ckks::Ciphertext> received = protocol::read_step(model_.plan, program_, step_, message.payload, threads_);
  received =
      circuit::unbind_from_query(*model_.plan.circuits.context, model_.plan.circuits.programs[program_],
                                 model_.plan.circuits.program_plans[program_], step_, std::move(received), binding_);
  seconds_.server += head.seconds;
  std::optional<Message> reply;
  double& phase = step_ == steps ? seconds_.decrypt : seconds_.turns;
  if (step_ == steps) {
    logits_ = turn_.result(received, binding_);
  } else {
    reply = pack(MessageType::step_reply, step_, turn_.answer(step_, received));
  }
  ++step_;
  const double spent = seconds_since(start);
  phase += spent;
  seconds_.total += spent;
  return reply;
}

std::vector<Answer> ClientQuery::answers() const {
  const model::ModelConfig& config = model_.model.config;
  std::vector<Answer> all;
  auto at = logits_.begin();
  for (const int tokens : lengths_) {
    Answer answer{.tokens = tokens,
                  .bucket = model_.plan.shapes[program_].tokens,
                  .seconds = seconds_,
                  .sentences = static_cast<int>(lengths_.size())};
    answer.rows = config.labels.empty() ? 0 : by_token(config.task) ? static_cast<std::size_t>(tokens) : 1;
    const auto end = at + static_cast<std::ptrdiff_t>(answer.rows * config.labels.size());
    answer.logits.assign(at, end);
    at = end;
    if (config.task == model::Task::classification) std::tie(answer.label, answer.score) = top_label(answer.logits);
    all.push_back(std::move(answer));
  }
  return all;
}

}  // namespace thex::client
