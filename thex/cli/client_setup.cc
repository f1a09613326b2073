#include "thex/cli/client_setup.h"

#include <fmt/format.h>

#include <chrono>
#include <iostream>

#include "thex/base/clock.h"
#include "thex/base/hex.h"
#include "thex/base/printable.h"
#include "thex/cli/digest.h"
#include "thex/cli/locations.h"
#include "thex/client/key_files.h"
#include "thex/model/digest.h"
#include "thex/transport/tcp.h"

namespace thex::cli {

ClientSetup::ClientSetup(const ModelOptions& options)
    : folder_(find_model(options.model)),
      plan_arguments_(options.plan_arguments()),
      model_(client::load_client_model(folder_, options.plan_request())) {}

std::string ClientSetup::model_digest() const {
  const model::ModelDigests& digests = model_.parts;
  const std::string& fingerprint = model_.plan.fingerprint;
  if (digests.complete()) return hex(model::model_digest(fingerprint, digests));
  // A client's bundle without the server's weights: what it has of the model.
  Digest known;
  known.add(fingerprint);
  for (const auto& part : digests.parts) known.add(part ? hex(*part) : "");
  return known.finish();
}

transport::Session& ClientSetup::connect(const ServerOptions& options) {
  const int threads = thread_count(options.threads);
  const auto say = [](const std::string& line) { std::cerr << line << std::endl; };
  const auto connect_to = [](const std::string& address) {
    return transport::connect_tcp(address, std::chrono::seconds(10));
  };
  // A server that is not there is told before keys are made for it. That connection is given back: making or reading
  // keys, or waiting for another process that makes them, takes longer than a server waits for the first message.
  if (!options.server.empty()) connect_to(options.server);
  if (options.keys.empty()) {
    const auto folder = client::default_key_folder(model_.plan);
    const auto start = Clock::now();
    auto [keys, made] = client::load_or_generate_keys(model_.plan, folder, say);
    if (made) {
      if (const std::string reason = encoder::reason_of(model_.plan); !reason.empty()) std::cerr << reason << '\n';
      std::cerr << fmt::format("made keys in {} ({:.1f} s); they are used again from now on\n",
                               printable(folder.string()), seconds_since(start));
    }
    keys_.emplace(std::move(keys));
  } else {
    keys_.emplace(client::load_keys(model_.plan, options.keys));
  }
  if (options.server.empty()) child_ = std::make_unique<ChildServer>(folder_.string(), plan_arguments_, threads);
  transport::SessionOptions session;
  session.threads = threads;
  session.timeout = session.patience = std::chrono::seconds(options.timeout);
  session_ = std::make_unique<transport::Session>(connect_to(child_ ? child_->address() : options.server), model_,
                                                  *keys_, session);
  return *session_;
}

}  // namespace thex::cli
