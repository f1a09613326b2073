// The one interface between the service and whatever carries its messages to a client.
#pragma once

#include "thex/protocol/message.h"
#include "thex/server/budget.h"

namespace thex::server {

// One for each session. Called with the service locked, so both only take note of what is to be done: they neither
// wait nor call the service.
class Carrier {
 public:
  virtual ~Carrier() = default;
  // A message for the client, in order. `memory` is its reservation, kept until its bytes have left.
  virtual void send(protocol::Message message, Reservation memory) noexcept = 0;
  // The session is over. What was to be sent still goes out, and what the client still sends is read and dropped for a
  // while, so that a client in the middle of sending gets to read why; then the connection is closed.
  virtual void finish() noexcept = 0;
};

}  // namespace thex::server
