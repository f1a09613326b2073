// From options to an open session: model, keys, server process, connection.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "thex/cli/child_server.h"
#include "thex/cli/command.h"
#include "thex/transport/session.h"

namespace thex::cli {

// Model and keys are there before the server is started, so that a mistake in them costs nothing.
class ClientSetup {
 public:
  explicit ClientSetup(const ModelOptions& options);
  const client::ClientModel& model() const { return model_; }
  const std::filesystem::path& folder() const { return folder_; }

  // What results are known by: the model's digest (model/digest.h) with the plan's; of a bundle without the server's
  // weights, one of the other parts.
  std::string model_digest() const;

  // Loads or makes the keys, starts a server if none is named, and connects; says on stderr what takes long.
  transport::Session& connect(const ServerOptions& options);

 private:
  std::filesystem::path folder_;
  std::vector<std::string> plan_arguments_;
  client::ClientModel model_;
  std::optional<client::ClientKeys> keys_;
  std::unique_ptr<ChildServer> child_;  // ends after the session
  std::unique_ptr<transport::Session> session_;
};

}  // namespace thex::cli
