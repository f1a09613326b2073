#include "thex/protocol/model_parts.h"

namespace thex::protocol {

std::optional<std::string> mismatch(const model::ModelDigests& client, const model::ModelDigests& server) {
  std::string differ;
  for (std::size_t i = 0; i < model::kModelPartCount; ++i) {
    if (!client.parts[i] || !server.parts[i] || *client.parts[i] == *server.parts[i]) continue;
    differ += differ.empty() ? "" : ", ";
    differ += model::describe(static_cast<model::ModelPart>(i));
  }
  if (differ.empty()) return std::nullopt;
  return "client and server have different models of the same shape; not the same: " + differ +
         ". Copy the server's model folder to the client, or name the folder that the server uses with --model";
}

}  // namespace thex::protocol
