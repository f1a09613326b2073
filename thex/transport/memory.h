// Connections inside one process, for tests.
#pragma once

#include <memory>
#include <utility>

#include "thex/transport/stream.h"

namespace thex::transport {

// The two ends of an in-memory stream; what one writes the other reads.
std::pair<std::unique_ptr<ByteStream>, std::unique_ptr<ByteStream>> make_memory_streams();
std::pair<std::unique_ptr<Connection>, std::unique_ptr<Connection>> connect_in_memory();

}  // namespace thex::transport
