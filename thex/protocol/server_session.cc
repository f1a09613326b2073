// One client of the server, from its hello to its last query.
#include <fmt/format.h>

#include "thex/base/parallel.h"
#include "thex/circuit/run/ckks_run.h"
#include "thex/ckks/sanitize.h"
#include "thex/ckks/serialization.h"
#include "thex/protocol/messages.h"
#include "thex/protocol/plan_sizes.h"
#include "thex/protocol/server_impl.h"

namespace thex::protocol {
namespace {

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

template <typename Semaphore>
class Slot {
 public:
  explicit Slot(Semaphore& semaphore) : semaphore_(semaphore) { semaphore_.acquire(); }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot() { semaphore_.release(); }

 private:
  Semaphore& semaphore_;
};

class Busy {
 public:
  explicit Busy(BusyFlag& flag) : flag_(flag) { flag_ = true; }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  ~Busy() { flag_ = false; }

 private:
  BusyFlag& flag_;
};

}  // namespace

void Server::Impl::handle(Connection& connection, BusyFlag& busy) {
  ++connections;
  ErrorMessage message;
  try {
    session(connection, busy);
    return;
  } catch (const ConnectionClosed&) {
    return;
  } catch (const Error& e) {
    message = {e.code(), e.what()};
  } catch (const std::bad_alloc&) {
    message = {ErrorCode::internal, "out of memory"};
  } catch (const std::exception& e) {
    message = {ErrorCode::internal, e.what()};
  }
  ++failures;
  log(connection.peer() + ": " + message.text);
  try {
    connection.send(FrameType::error, encode(message), in(std::chrono::seconds(1)));
  } catch (const std::exception&) {
    // The client is gone: nobody to tell.
  }
  connection.close();
}

void Server::Impl::session(Connection& connection, BusyFlag& busy) {
  const std::shared_ptr<const ckks::EvaluationKeys> client_keys = greet(connection);
  const Expected expected[] = {{FrameType::query, max_query_bytes(plan)}};
  while (!stopping) {
    const Frame query = connection.receive(expected, in(options.idle_timeout));
    const Busy mark(busy);
    answer(connection, client_keys, query);
    ++queries;
  }
}

std::shared_ptr<const ckks::EvaluationKeys> Server::Impl::greet(Connection& connection) {
  const Expected expected[] = {{FrameType::hello, kHelloBytes}};
  const Hello hello = parse_hello(connection.receive(expected, in(options.message_timeout)).payload);
  if (hello.plan != fingerprint(plan)) {
    throw Error(ErrorCode::keys,
                fmt::format("this server runs plan {} ({}, up to {} tokens), the client asked for plan {}: use "
                            "the same model and --max-tokens on both sides",
                            plan.fingerprint(), options.model_name, max_tokens, hex(hello.plan)));
  }
  auto found = keys.find(hello.keys);
  connection.send(FrameType::server_info, encode(ServerInfo{found != nullptr, describe()}),
                  in(options.message_timeout));
  return found ? found : receive_keys(connection, hello.keys);
}

std::shared_ptr<const ckks::EvaluationKeys> Server::Impl::receive_keys(Connection& connection,
                                                                       const KeyFingerprint& expected_fingerprint) {
  const Slot slot(upload_slots);
  const auto start = Clock::now();
  const std::size_t total = key_bytes(plan);
  Bytes bytes;
  while (bytes.size() < total) {
    const Expected expected[] = {
        {FrameType::keys_chunk, std::min<std::uint64_t>(kMaxChunkBytes, total - bytes.size())}};
    const Frame chunk = connection.receive(expected, in(options.message_timeout));
    if (chunk.payload.empty()) throw Error(ErrorCode::protocol, "an empty piece of the evaluation keys");
    if (bytes.empty()) bytes.reserve(total);
    bytes.insert(bytes.end(), chunk.payload.begin(), chunk.payload.end());
  }
  if (fingerprint(bytes) != expected_fingerprint) {
    throw Error(ErrorCode::keys, "the evaluation keys that arrived are not those that were announced");
  }
  auto result =
      keys.insert(expected_fingerprint, ckks::parse_evaluation_keys(*plan.plan.context, bytes, plan.plan.keys));
  ++key_uploads;
  log(fmt::format("{}: {:.1f} MB of keys in {:.2f} s, {:.1f} MB in memory", connection.peer(),
                  static_cast<double>(total) / 1e6, seconds_since(start), static_cast<double>(result->bytes()) / 1e6));
  connection.send(FrameType::keys_ready, {}, in(options.message_timeout));
  return result;
}

std::vector<ckks::Ciphertext> Server::Impl::parse(ByteView payload, std::size_t bucket, std::size_t step) const {
  const circuit::Plan& p = plan.plan;
  const auto sizes = fresh_sizes(plan, bucket, step);
  const std::vector<ByteView> views = split_ciphertexts(payload, sizes);
  std::vector<ckks::Ciphertext> ciphertexts(views.size());
  // The run checks levels and scales.
  parallel_for(views.size(), options.threads,
               [&](std::size_t i) { ciphertexts[i] = ckks::parse_ciphertext(*p.context, views[i]); });
  return ciphertexts;
}

void Server::Impl::answer(Connection& connection, const std::shared_ptr<const ckks::EvaluationKeys>& client_keys,
                          const Frame& query) {
  const Slot slot(query_slots);
  auto mark = Clock::now();  // when the server's turn began
  const std::size_t bucket = parse_head(query.payload).index;
  if (bucket >= plan.shapes.size()) {
    throw Error(ErrorCode::protocol, fmt::format("a query for circuit {}, there are {}", bucket, plan.shapes.size()));
  }
  const circuit::Program& program = plan.plan.programs[bucket];

  const auto send = [&](FrameType type, std::size_t index, const std::vector<ckks::Ciphertext>& ciphertexts) {
    std::vector<Bytes> bytes(ciphertexts.size());
    parallel_for(bytes.size(), options.threads,
                 [&](std::size_t i) { bytes[i] = ckks::serialize(*plan.plan.context, ciphertexts[i]); });
    const CiphertextsHead head{static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(bytes.size()),
                               seconds_since(mark)};
    connection.send(type, encode(head, bytes), in(options.message_timeout));
  };
  const circuit::Exchange exchange = [&](std::size_t step, std::vector<ckks::Ciphertext> inputs) {
    send(FrameType::step, step, inputs);
    const Expected expected[] = {{FrameType::step_reply, message_bytes(fresh_sizes(plan, bucket, step))}};
    const Frame reply = connection.receive(expected, in(options.message_timeout));
    mark = Clock::now();
    const CiphertextsHead head = parse_head(reply.payload);
    if (head.index != step) {
      throw Error(ErrorCode::protocol, fmt::format("an answer to step {}, expected one to step {}", head.index, step));
    }
    return parse(reply.payload, bucket, step);
  };
  std::vector<ckks::Ciphertext> results = circuit::run_with_client(
      circuit(bucket), client_keys, parse(query.payload, bucket, 0), exchange, options.threads);
  if (plan.flooding_bits >= 0) {
    if (!client_keys->relinearization)
      throw Error(ErrorCode::internal, "a plan that floods its answers has no relinearisation key");
    for (ckks::Ciphertext& result : results) {
      ring::Prng prng;
      result = ckks::sanitize(*plan.plan.context, std::move(result), *client_keys->relinearization, plan.flooding_bits,
                              prng);
    }
  }
  send(FrameType::result, program.steps.size(), results);
}

}  // namespace thex::protocol
