#include "thex/server/session.h"

#include <algorithm>

#include "thex/protocol/message_sizes.h"

namespace thex::server {

using protocol::Expected;
using protocol::MessageType;

Deadline Transfer::deadline(const Limits& limits) const {
  const auto earned =
      std::chrono::duration<double>(static_cast<double>(bytes) / static_cast<double>(limits.least_rate));
  return start + limits.transfer_grace + std::chrono::duration_cast<Clock::duration>(earned);
}

std::vector<Expected> Session::expected(const encoder::InferencePlan& plan) const {
  switch (state) {
    case SessionState::greeting:
      return {{MessageType::hello, protocol::kHelloBytes}};
    case SessionState::ready:
      return {{MessageType::query, protocol::max_query_bytes(plan)}, {MessageType::keys_offer, 0}};
    case SessionState::uploading:
      return {{MessageType::keys_chunk,
               std::min<std::uint64_t>(protocol::kMaxChunkBytes, protocol::key_bytes(plan) - upload.size())}};
    case SessionState::running:
      if (awaited_step == 0) return {};
      return {{MessageType::step_reply, protocol::message_bytes(protocol::fresh_sizes(plan, program, awaited_step))}};
    case SessionState::checking:
    case SessionState::queued:
      return {};
  }
  return {};
}

Session::Limit Session::limit(const Limits& limits, bool room_is_short) const {
  Limit first{Deadline::max(), "", true};
  const auto consider = [&](Deadline at, const char* what, bool ends_session = true) {
    if (at < first.at) first = {at, what, ends_session};
  };
  if (arriving) consider(arrival.deadline(limits), "its message came too slowly");
  if (unsent > 0) consider(sending.deadline(limits), "it took what was sent to it too slowly");
  switch (state) {
    case SessionState::greeting:
      consider(since + limits.hello_timeout, "it did not say hello in time");
      break;
    case SessionState::ready:
      if (!arriving) consider(since + limits.idle_timeout, "it asked nothing for a long time");
      break;
    case SessionState::uploading:
      consider(upload_transfer.deadline(limits), "its keys came too slowly");
      break;
    case SessionState::queued:
      consider(since + limits.queue_timeout, "its query waited for its turn in vain", false);
      break;
    case SessionState::running:
      if (awaited_step > 0 && !arriving)
        consider(step_sent + limits.turn_timeout, "it did not reply to a step of its query in time");
      if (awaited_step > 0 && room_is_short)
        consider(step_sent + limits.short_turns - turns_taken,
                 "its turns took too long while others waited for the memory that its query takes");
      consider(since + limits.query_timeout, "its query took too long");
      break;
    case SessionState::checking:
      consider(since + limits.query_timeout, "its keys were not checked in time");
      break;
  }
  return first;
}

}  // namespace thex::server
