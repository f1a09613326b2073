// The row of the protocol one-round.
#include "thex/encoder/polynomial/protocol.h"

#include "thex/encoder/polynomial/builder.h"

namespace thex::encoder {
namespace {

constexpr PlanAttempt kAttempts[] = {{35, true}, {37, true}, {35, false}, {37, false}, {40, true}, {40, false}};

circuit::Program build(const EncoderWeights& weights, const QueryShape& shape, std::size_t slots,
                       const circuit::ProgramLimits& limits, bool score_matrices) {
  const PolynomialLayout layout(weights.config(), static_cast<std::size_t>(shape.tokens), slots,
                                static_cast<std::size_t>(shape.sentences), score_matrices);
  return PolynomialBuilder(layout, weights, {}, limits).build();
}

int batch(const model::ModelConfig& config, int tokens, std::size_t slots) {
  return static_cast<int>(PolynomialLayout::tokens_in(config, slots)) / tokens;
}

}  // namespace

constinit const EncoderProtocol kOneRound{
    .protocol = model::Protocol::one_round,
    .batch = batch,
    .build = build,
    .attempts = kAttempts,
    .flood_deviation = 0x1p-9,
    .outputs_of_padding = "what follows from its own sentence",
    .seen_by_client = [](const model::ModelConfig&) { return std::string(); },
};

}  // namespace thex::encoder
