// A small random model with its client, keys and services, for tests of both sides in one process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/test_model.h"
#include "thex/client/key_files.h"
#include "thex/client/model.h"
#include "thex/model/digest.h"
#include "thex/model/reference.h"
#include "thex/server/service.h"

namespace thex::testing {

struct ServiceWorld {
  static constexpr int kMaxTokens = 32;

  explicit ServiceWorld(const ModelShape& shape = {}, const encoder::PlanRequest& plan_request = kMaxTokens)
      : request(plan_request) {
    write_model(folder.path() / "model", shape);
    client = std::make_unique<client::ClientModel>(client::load_client_model(folder.path() / "model", request));
    keys = std::make_unique<client::ClientKeys>(make_keys("keys"));
    full = model::load_model(folder.path() / "model", model::Part::all);
  }
  client::ClientKeys make_keys(const std::string& name) const {
    return client::generate_keys(client->plan, folder.path() / name, true);
  }
  std::unique_ptr<server::Service> make_service(server::ServiceOptions options = {}) const {
    options.model_name = "random";
    auto model = std::make_shared<const model::Model>(model::load_model(folder.path() / "model", model::Part::server));
    if (options.parts == model::ModelDigests{})
      options.parts = model::model_digests(*model, nullptr, folder.path() / "model");
    return std::make_unique<server::Service>(model, request, options);
  }
  std::vector<double> clear_logits(const std::string& text) const {
    const auto encoding = client->encode(text);
    return model::forward(full, encoding.ids, encoding.type_ids).logits;
  }

  encoder::PlanRequest request;  // of both sides
  support::TemporaryFolder folder;
  std::unique_ptr<client::ClientModel> client;
  std::unique_ptr<client::ClientKeys> keys;
  model::Model full;
};

// One of the-x, made once for a whole test program.
inline const ServiceWorld& the_x_world() {
  static const ServiceWorld instance;
  return instance;
}

// A small one of masked-rounds, likewise.
inline const ServiceWorld& masked_rounds_world() {
  static const ServiceWorld instance(
      {.layers = 2, .hidden = 16, .ffn = 16, .max_tokens = 16, .protocol = model::Protocol::masked_rounds}, 16);
  return instance;
}

}  // namespace thex::testing
