// Example 5: a server in thirty lines, and a client that asks it over TCP.
//
//   5_server [MODEL_FOLDER]
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "thex/client/keys.h"
#include "thex/model/digest.h"
#include "thex/transport/session.h"
#include "thex/transport/tcp.h"
#include "thex/transport/tcp_server.h"

using namespace thex;

constexpr int kMaxTokens = 16;  // client and server must agree on it: the plan follows from it

// The server. It holds the weights and no code that could decrypt: `thex-server` links nothing of client.
class Server {
 public:
  explicit Server(const std::filesystem::path& folder)
      : service_(weights(folder), kMaxTokens, options(folder)),
        tcp_("127.0.0.1:0"),  // any free port
        thread_([this](const std::stop_token& stop) {
          const std::stop_callback end(stop, [this] { tcp_.stop(); });
          tcp_.serve(service_, {.workers = 1});  // queries computed at the same time; the others wait their turn
        }) {}

  std::string address() const { return tcp_.address(); }
  server::ServiceStatistics statistics() const { return service_.statistics(); }

 private:
  static std::shared_ptr<const model::Model> weights(const std::filesystem::path& folder) {
    return std::make_shared<const model::Model>(model::load_model(folder, model::Part::server));
  }
  static server::ServiceOptions options(const std::filesystem::path& folder) {
    server::ServiceOptions options;
    options.model_name = folder.filename().string();
    options.parts = model::model_digests(folder);  // so that a client with another model is told
    options.limits.sessions = 16;                  // what clients may take: server/limits.h
    options.log = [](server::LogLevel level, const std::string& line) {
      if (level >= server::LogLevel::info) std::printf("server: %s\n", line.c_str());
    };
    return options;
  }

  server::Service service_;   // decides and computes, knows no socket
  transport::TcpServer tcp_;  // carries the bytes
  std::jthread thread_;       // ends first
};

int main(int argc, char** argv) {
  const std::filesystem::path folder = argc > 1 ? argv[1] : "models/bert-tiny-sst2-the-x";
  const Server server(folder);

  // A client, usually on another machine.
  const client::ClientModel model = client::load_client_model(folder, kMaxTokens);
  const client::ClientKeys keys = client::make_keys(model.plan);
  transport::Session session(transport::connect_tcp(server.address(), std::chrono::seconds(10)), model, keys);
  const client::Answer good = session.classify("a gripping, beautiful film");
  const client::Answer bad = session.classify("the plot is thin and the jokes fall flat");
  for (const client::Answer& answer : {good, bad})
    std::printf("client: %s %.4f, %.2f MB sent, %.2f MB received\n", model.model.config.labels[answer.label].c_str(),
                answer.score, static_cast<double>(answer.bytes_sent) / 1e6,
                static_cast<double>(answer.bytes_received) / 1e6);

  // Who has another plan is told why it gets no answer.
  std::string refusal;
  try {
    const client::ClientModel other = client::load_client_model(folder, 2 * kMaxTokens);
    const client::ClientKeys other_keys = client::make_keys(other.plan);
    transport::Session(transport::connect_tcp(server.address(), std::chrono::seconds(10)), other, other_keys);
  } catch (const Error& error) {
    refusal = error.what();
    std::printf("client: %s\n", error.what());
  }
  return good.label == 1 && bad.label == 0 && server.statistics().queries == 2 && !refusal.empty() ? 0 : 1;
}
