// A connection to a service in the same process, without sockets: for tests and for programs that embed both sides.
#pragma once

#include <memory>
#include <string>

#include "thex/server/service.h"
#include "thex/transport/connection.h"

namespace thex::transport {

// What is sent goes straight to the service. receive() lends its thread to the service until a message for this
// connection is there; when there is nothing left to do it waits for other threads that work, up to its deadline.
// `service` must outlive the connection. Throws Error(busy) when the service has no room for it.
std::unique_ptr<Connection> connect_in_process(server::Service& service, const std::string& principal);

}  // namespace thex::transport
