// The rows of the protocols one-round and masked-rounds: one builder, without and with refreshes.
#include "thex/encoder/polynomial/protocol.h"

#include "thex/encoder/polynomial/builder.h"

namespace thex::encoder {
namespace {

constexpr PlanAttempt kAttempts[] = {{35, true}, {37, true}, {35, false}, {37, false}, {40, true}, {40, false}};

circuit::Program build(const EncoderWeights& weights, const QueryShape& shape, std::size_t slots,
                       const circuit::ProgramLimits& limits, const Variant& variant) {
  const PolynomialLayout layout(weights.config(), static_cast<std::size_t>(shape.tokens), slots,
                                static_cast<std::size_t>(shape.sentences), variant.score_matrices);
  return PolynomialBuilder(layout, weights, variant.segments, limits).build();
}

int batch(const model::ModelConfig& config, int tokens, std::size_t slots) {
  return static_cast<int>(PolynomialLayout::tokens_in(config, slots)) / tokens;
}

std::vector<Segments> segments(int layers) {
  std::vector<Segments> all{{.layers = 1, .halves = true}, {.layers = 1}};
  for (int each = 2; each < layers && each <= 3; ++each) all.push_back({.layers = each});
  return all;
}

}  // namespace

constinit const EncoderProtocol kOneRound{
    .protocol = model::Protocol::one_round,
    .batch = batch,
    .build = build,
    .attempts = kAttempts,
    .segments = [](int) { return std::vector<Segments>(1); },
    .statistical_bits = 0,
    .flood_deviation = 0x1p-9,
    .outputs_of_padding = "what follows from its own sentence",
    .seen_by_client = [](const model::ModelConfig&) { return std::string(); },
};

constinit const EncoderProtocol kMaskedRounds{
    .protocol = model::Protocol::masked_rounds,
    .batch = batch,
    .build = build,
    .attempts = kAttempts,
    .segments = segments,
    .statistical_bits = 40,
    .flood_deviation = 0x1p-9,
    .outputs_of_padding = "what follows from its own sentence",
    .seen_by_client = [](const model::ModelConfig&) { return std::string(); },
};

}  // namespace thex::encoder
