#include "thex/cli/client_setup.h"

#include <fmt/format.h>

#include <chrono>
#include <iostream>

#include "thex/cli/locations.h"
#include "thex/protocol/key_files.h"

namespace thex::cli {

ClientSetup::ClientSetup(const ModelOptions& options)
    : folder_(find_model(options.model)),
      max_tokens_(options.max_tokens),
      model_(protocol::load_client_model(folder_, options.max_tokens)) {}

protocol::Session& ClientSetup::connect(const ServerOptions& options) {
  const int threads = thread_count(options.threads);
  std::unique_ptr<protocol::Connection> connection;
  // A server that is not there is told before keys are made for it.
  if (!options.server.empty()) connection = protocol::connect_tcp(options.server, std::chrono::seconds(10));
  if (options.keys.empty()) {
    const auto folder = protocol::default_key_folder(model_.plan);
    const auto start = std::chrono::steady_clock::now();
    auto [keys, made] = protocol::load_or_generate_keys(model_.plan, folder);
    if (made) {
      std::cerr << fmt::format("made keys in {} ({:.1f} s); they are used again from now on\n", folder.string(),
                               std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    keys_.emplace(std::move(keys));
  } else {
    keys_.emplace(protocol::load_keys(model_.plan, options.keys));
  }
  if (!connection) {
    child_ = std::make_unique<ChildServer>(folder_.string(), max_tokens_, threads);
    connection = protocol::connect_tcp(child_->address(), std::chrono::seconds(10));
  }
  protocol::SessionOptions session;
  session.threads = threads;
  session.timeout = std::chrono::seconds(options.timeout);
  session_ = std::make_unique<protocol::Session>(std::move(connection), model_, *keys_, session);
  return *session_;
}

}  // namespace thex::cli
