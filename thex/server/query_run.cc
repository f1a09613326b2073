#include "thex/server/query_run.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "thex/base/error.h"
#include "thex/base/parallel.h"
#include "thex/ckks/serialization.h"
#include "thex/protocol/message_sizes.h"
#include "thex/protocol/step_ciphertexts.h"

namespace thex::server {

using ckks::Ciphertext;
using protocol::Bytes;
using protocol::ByteView;
using protocol::Message;
using protocol::MessageType;

std::size_t program_of(const encoder::InferencePlan& plan, ByteView query) {
  const protocol::CiphertextsHead head = protocol::parse_head(query);
  if (head.index >= plan.shapes.size()) {
    throw Error(ErrorCode::protocol,
                fmt::format("a query for circuit {}, there are {}", head.index, plan.shapes.size()));
  }
  protocol::split_ciphertexts(query, protocol::fresh_sizes(plan, head.index, 0));
  return head.index;
}

QueryRun::QueryRun(Circuits& circuits, std::size_t program, const protocol::KeyFingerprint& fingerprint,
                   SharedKeys keys)
    : circuits_(circuits),
      program_(program),
      keys_(std::move(keys)),
      fingerprint_(fingerprint),
      run_(circuits.prepared(program), keys_) {}

void QueryRun::supply(std::size_t step, ByteView message, int threads) {
  turn_began_ = Clock::now();
  const encoder::InferencePlan& plan = circuits_.plan();
  const auto sizes = protocol::fresh_sizes(plan, program_, step);
  const std::vector<ByteView> views = protocol::split_ciphertexts(message, sizes);
  if (step == 0) binding_ = protocol::binding_of(circuits_.plan_fingerprint(), fingerprint_, message);
  std::vector<Ciphertext> ciphertexts(views.size());
  // The run checks levels and scales.
  parallel_for(views.size(), threads,
               [&](std::size_t i) { ciphertexts[i] = ckks::parse_ciphertext(*plan.circuits.context, views[i]); });
  run_.supply(step, std::move(ciphertexts));
}

Message QueryRun::pack(MessageType type, std::size_t step, const std::vector<Ciphertext>& ciphertexts,
                       int threads) const {
  const std::vector<Bytes> bytes = protocol::write_step(circuits_.plan(), program_, step, ciphertexts, threads);
  const protocol::CiphertextsHead head{static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(bytes.size()),
                                       seconds_since(turn_began_)};
  return {type, encode(head, bytes)};
}

std::optional<Message> QueryRun::advance(int threads, const Emit& emit, std::stop_token stop) {
  const auto bound = [&](std::size_t step, std::vector<Ciphertext> ciphertexts) {
    return circuits_.bind_to_query(program_, step, std::move(ciphertexts), binding_);
  };
  const auto on_step = [&](std::size_t step, std::vector<Ciphertext> inputs) {
    emit(step, pack(MessageType::step, step, bound(step, std::move(inputs)), threads));
  };
  if (run_.advance(threads, on_step, std::move(stop)) == circuit::CkksRun::State::waiting) return std::nullopt;
  const std::size_t last = circuits_.plan().circuits.programs[program_].steps.size();
  std::vector<Ciphertext> results = circuits_.finish(program_, run_.take_results(), *keys_, binding_);
  return pack(MessageType::result, last, bound(last, std::move(results)), threads);
}

}  // namespace thex::server
