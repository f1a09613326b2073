#include "thex/convert/report/required_plan.h"

#include <fmt/format.h>

#include "thex/base/error.h"
#include "thex/encoder/serving_memory.h"

namespace thex::convert {
namespace {

// Sizes of values as converted models of six layers have them.
model::LayerRanges usual_ranges() {
  model::LayerRanges r;
  r.score = {0.9, 6};
  r.cube = {1.5, 36};
  r.cube_sum = {1, 4};
  r.context = {0.4, 8};
  r.attention_sum = {0.7, 14};
  r.attention_norm = {0.6, 25};
  r.ffn = {1.2, 20};
  r.output_norm = {0.6, 12};
  return r;
}

// Those that show the client nothing first.
std::string deep_protocols() {
  std::string text;
  for (const bool shown : {false, true})
    for (const model::ProtocolRow& row : model::protocols())
      if (row.any_depth && row.client_sees_values == shown)
        text += std::string("; --protocol ") + row.name + " takes deep models, but " + row.drawback;
  return text;
}

}  // namespace

std::optional<ExpectedModel> require_plan(model::ModelConfig config, model::Protocol protocol, int max_tokens,
                                          const std::function<void(const std::string&)>& warn) {
  const model::ProtocolRow& wanted = row_of(protocol);
  config.activation = wanted.activation;
  config.pooler = false;
  config.thex = model::HeSection{.softmax = wanted.softmax, .norm = wanted.norm, .max_relu_input = 50, .max_logit = 10};
  if (wanted.norm == model::Norm::mean_square)
    config.thex->layers.assign(static_cast<std::size_t>(config.layers), usual_ranges());
  try {
    encoder::PlanRequest request(max_tokens);
    request.protocol = protocol;
    encoder::InferencePlan plan = encoder::plan_inference(config, request);
    if (config.protocols().size() > 1) plan = encoder::plan_inference(config, max_tokens);
    return ExpectedModel{std::move(config), std::move(plan)};
  } catch (const Error& e) {
    const bool imprecise = dynamic_cast<const circuit::ImprecisePlan*>(&e) != nullptr;
    if (wanted.polynomial() && !(wanted.any_depth && imprecise))
      throw Error(ErrorCode::model, std::string("this model does not fit into the protocol ") + wanted.name + ": " +
                                        e.what() + (wanted.any_depth ? "" : deep_protocols()));
    warn(imprecise ? std::string("what a query costs is known at the end, from measured sizes: ") + e.what()
                   : std::string("warning: no plan for encrypted inference: ") + e.what());
    return std::nullopt;
  }
}

std::vector<std::string> costs_of(const ExpectedModel& expected) {
  std::vector<std::string> lines;
  const encoder::InferencePlan& plan = expected.plan;
  const int rounds = plan.rounds;
  const std::size_t memory = encoder::peak_memory_here(expected.config, plan);
  lines.push_back(fmt::format(
      "the converted model {} served by {}: {} {} a query, keys of {:.0f} MB once, a server with {:.1f} GB of memory",
      rounds == 1 ? "can be" : "is", model::name_of(plan.protocol), rounds, rounds == 1 ? "round" : "rounds",
      static_cast<double>(plan.circuits.key_bytes_wire) / 1e6, static_cast<double>(memory) / 1e9));
  for (std::size_t i = 0; i < plan.bucket_count(); ++i) {
    const circuit::ProgramPlan& program = plan.circuits.program_plans[i];
    lines.push_back(fmt::format(
        "a text of up to {} tokens: about {:.2g} s on one thread of a server with AVX-512 IFMA, {:.1f} MB sent, {:.1f} "
        "MB received (estimates)",
        plan.shapes[i].tokens, program.estimated_seconds, static_cast<double>(program.bytes_to_server) / 1e6,
        static_cast<double>(program.bytes_to_client) / 1e6));
  }
  if (const std::string reason = encoder::reason_of(plan); !reason.empty()) lines.push_back(reason);
  const model::ProtocolRow& row = row_of(plan.protocol);
  if (row.client_sees_values)
    lines.push_back(
        fmt::format("warning: {} {}: for clients that may not learn about the weights convert for another "
                    "--protocol",
                    row.name, row.drawback));
  return lines;
}

}  // namespace thex::convert
