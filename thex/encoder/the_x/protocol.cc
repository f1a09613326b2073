// The row of the protocol the-x.
#include "thex/encoder/the_x/protocol.h"

#include "thex/encoder/the_x/builder.h"
#include "thex/model/model.h"

namespace thex::encoder {
namespace {

constexpr PlanAttempt kAttempts[] = {{33, false}, {36, false}, {39, false}};

circuit::Program build(const EncoderWeights& weights, const QueryShape& shape, std::size_t slots,
                       const circuit::ProgramLimits& limits, const Variant&) {
  const EncoderLayout layout(weights.config(), static_cast<std::size_t>(shape.tokens), slots);
  return EncoderBuilder(layout, weights, limits).build();
}

std::string seen_by_client(const model::ModelConfig& config) {
  return ", and every ReLU input of its own sentence: attention scores, the softmax estimation's " +
         std::to_string(2 * model::kEstimationWidth) + " units for each head and token, " + std::to_string(config.ffn) +
         " feed-forward units for each token and layer (from many of them a client can work out weights)";
}

}  // namespace

constinit const EncoderProtocol kTheX{
    .protocol = model::Protocol::the_x,
    .batch = [](const model::ModelConfig&, int, std::size_t) { return 1; },
    .build = build,
    .attempts = kAttempts,
    .segments = [](int) { return std::vector<Segments>(1); },
    .statistical_bits = 0,
    .flood_deviation = 0,
    .outputs_of_padding = "a constant of the model",
    .seen_by_client = seen_by_client,
};

}  // namespace thex::encoder
