#include "thex/protocol/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <list>
#include <nlohmann/json.hpp>
#include <thread>

#include "thex/ckks/context.h"
#include "thex/protocol/messages.h"
#include "thex/protocol/server_impl.h"

namespace thex::protocol {
namespace {

// A client that is served by a thread of its own.
struct Client {
  std::unique_ptr<Connection> connection;
  BusyFlag busy{false};
  std::atomic<bool> done{false};
  std::thread thread;
};

void join_finished(std::list<Client>& clients) {
  for (auto it = clients.begin(); it != clients.end();) {
    if (it->done) {
      it->thread.join();
      it = clients.erase(it);
    } else {
      ++it;
    }
  }
}

// Tells a client why it is not served. Its hello is read first: closing with unread bytes would discard the answer.
void refuse(Connection& connection, const std::string& why) {
  using std::chrono::milliseconds;
  try {
    const Expected hello[] = {{FrameType::hello, kHelloBytes}};
    connection.receive(hello, in(milliseconds(200)));
    connection.send(FrameType::error, encode(ErrorMessage{ErrorCode::network, why}), in(milliseconds(200)));
  } catch (const Error&) {
  }
  connection.close();
}

}  // namespace

Server::Impl::Impl(std::shared_ptr<const model::Model> m, int tokens, ServerOptions o)
    : model(std::move(m)),
      options(std::move(o)),
      plan(encoder::plan_inference(model, tokens)),
      max_tokens(plan.max_tokens()),
      plaintexts(std::make_shared<circuit::PlaintextStore>(plan.plan.context)),
      keys(options.key_memory),
      query_slots(std::max(1, options.max_queries)) {
  for (std::size_t i = 0; i < plan.shapes.size(); ++i) buckets.push_back(std::make_unique<Bucket>());
}

std::string Server::Impl::describe() const {
  const ckks::Context& context = *plan.plan.context;
  nlohmann::ordered_json json;
  json["model"] = options.model_name;
  json["labels"] = model->config.labels;
  json["task"] = model::name_of(model->config.task);
  json["protocol"] = plan.protocol;
  json["plan"] = plan.fingerprint();
  json["max_tokens"] = max_tokens;
  json["rounds"] = plan.rounds;
  json["security_bits"] = context.security_bits();
  json["log_n"] = context.log_n();
  json["log_qp"] = context.log_qp();
  json["threads"] = options.threads;
  json["key_sets"] = keys.count();
  json["key_bytes"] = keys.bytes();
  json["peak_memory_bytes"] = peak_memory_bytes();
  return json.dump();
}

std::shared_ptr<const circuit::CkksCircuit> Server::Impl::circuit(std::size_t index) {
  Bucket& bucket = *buckets.at(index);
  const std::lock_guard lock(bucket.mutex);
  if (!bucket.circuit) {
    const auto start = Clock::now();
    bucket.circuit = std::make_shared<const circuit::CkksCircuit>(plan.plan.context, plan.plan.programs[index],
                                                                  plan.plan.program_plans[index], plaintexts);
    log(fmt::format(
        "prepared the circuit for {}: {:.1f} MB of weights ({:.1f} MB for all lengths so far) in {:.2f} s",
        encoder::to_string(plan.shapes[index]), static_cast<double>(bucket.circuit->plaintext_bytes()) / 1e6,
        static_cast<double>(plaintexts->bytes()) / 1e6, std::chrono::duration<double>(Clock::now() - start).count()));
  }
  return bucket.circuit;
}

Server::Server(std::shared_ptr<const model::Model> model, int max_tokens, ServerOptions options)
    : impl_(std::make_unique<Impl>(std::move(model), max_tokens, std::move(options))) {}

Server::~Server() = default;

const encoder::InferencePlan& Server::plan() const { return impl_->plan; }
std::string Server::describe() const { return impl_->describe(); }
void Server::prepare(std::size_t bucket) { impl_->circuit(bucket); }

void Server::handle(Connection& connection) {
  BusyFlag busy{false};
  impl_->handle(connection, busy);
}

void Server::serve(Listener& listener) {
  {
    const std::lock_guard lock(impl_->listener_mutex);
    impl_->listener = &listener;
  }
  std::list<Client> clients;
  while (!impl_->stopping) {
    std::unique_ptr<Connection> connection = listener.accept();
    if (!connection) break;
    join_finished(clients);
    if (clients.size() >= static_cast<std::size_t>(impl_->options.max_connections)) {
      impl_->log("refused " + connection->peer() + ": too many clients");
      refuse(*connection, fmt::format("it serves {} clients already; try again later", clients.size()));
      continue;
    }
    Client& client = clients.emplace_back();
    client.connection = std::move(connection);
    client.thread = std::thread([this, &client] {
      impl_->handle(*client.connection, client.busy);
      client.done = true;
    });
  }
  const Deadline end = in(impl_->options.stop_grace);
  for (bool waiting = true; waiting;) {
    waiting = false;
    for (Client& client : clients) {
      if (!client.busy || Clock::now() >= end) client.connection->close();
      waiting = waiting || !client.done;
    }
    if (waiting) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  join_finished(clients);
  const std::lock_guard lock(impl_->listener_mutex);
  impl_->listener = nullptr;
}

void Server::stop() noexcept {
  impl_->stopping = true;
  const std::lock_guard lock(impl_->listener_mutex);
  if (impl_->listener) impl_->listener->stop();
}

ServerStatistics Server::statistics() const {
  ServerStatistics s;
  s.connections = impl_->connections;
  s.queries = impl_->queries;
  s.key_uploads = impl_->key_uploads;
  s.failures = impl_->failures;
  s.key_sets = impl_->keys.count();
  s.key_bytes = impl_->keys.bytes();
  s.plaintext_bytes = impl_->plaintexts->bytes();
  return s;
}

std::size_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.rfind("VmHWM:", 0) == 0) return static_cast<std::size_t>(std::stoull(line.substr(6))) * 1024;
  }
  return 0;
}

}  // namespace thex::protocol
