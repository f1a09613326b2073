// What one service may take, and what each client may take of it.
#pragma once

#include <chrono>
#include <cstddef>

namespace thex::server {

struct Limits {
  // Bytes for everything that is held for clients (budget.h), and of it for their evaluation keys.
  std::size_t memory = std::size_t{4} << 30;
  std::size_t key_memory = std::size_t{2} << 30;

  // Sessions in all, and of one principal. A newcomer beyond them takes the place of the oldest session that has not
  // said a word yet.
  std::size_t sessions = 1024, sessions_each = 128;
  // Queries that wait for their turn, in all and of one principal; who comes later is told to try again.
  std::size_t queued = 256, queued_each = 64;
  // Queries of one principal that have begun and not ended, the client's turns included; more wait.
  std::size_t open_each = 8;
  // Uploads of keys of one principal at a time; more than one only while they fit into a quarter of the memory.
  std::size_t uploads_each = 4;

  std::chrono::milliseconds hello_timeout{5'000};   // from connecting to a complete hello
  std::chrono::milliseconds idle_timeout{600'000};  // between two queries
  std::chrono::milliseconds queue_timeout{90'000};  // for a turn; then the query is refused
  std::chrono::milliseconds turn_timeout{60'000};   // until the client begins its reply to a step
  // For all turns of a query together, sending included, while others find no memory for their queries or keys.
  std::chrono::milliseconds short_turns{30'000};
  std::chrono::milliseconds query_timeout{600'000};  // for a query that has begun, the client's turns included
  // A message, and a whole upload, may take `transfer_grace` and a second for every `least_rate` bytes that have
  // passed. So one byte now and then does not keep it alive.
  std::chrono::milliseconds transfer_grace{10'000};
  std::size_t least_rate = std::size_t{128} << 10;  // bytes a second
  // A query that waits for memory for so long lets no later one pass it.
  std::chrono::milliseconds patience{5'000};
  // What a client that is refused should wait before it tries again.
  std::chrono::milliseconds retry_after{500};
};

}  // namespace thex::server
