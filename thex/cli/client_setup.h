// From options to an open session: model, keys, server process, connection.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "thex/cli/child_server.h"
#include "thex/cli/command.h"
#include "thex/protocol/client.h"

namespace thex::cli {

// Model and keys are there before the server is started, so that a mistake in them costs nothing.
class ClientSetup {
 public:
  explicit ClientSetup(const ModelOptions& options);
  const protocol::ClientModel& model() const { return model_; }
  const std::filesystem::path& folder() const { return folder_; }

  // Loads or makes the keys, starts a server if none is named, and connects; says on stderr what takes long.
  protocol::Session& connect(const ServerOptions& options);

 private:
  std::filesystem::path folder_;
  int max_tokens_;
  protocol::ClientModel model_;
  std::optional<protocol::ClientKeys> keys_;
  std::unique_ptr<ChildServer> child_;  // ends after the session
  std::unique_ptr<protocol::Session> session_;
};

}  // namespace thex::cli
