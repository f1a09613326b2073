// What the encoder has to do differently for each protocol: a row of encoder/protocol_table.h, defined in the
// protocol's own folder.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "thex/circuit/program.h"
#include "thex/encoder/rows/weights.h"
#include "thex/model/config.h"

namespace thex::encoder {

// What one query holds: up to so many sentences of up to so many tokens.
struct QueryShape {
  int tokens = 0, sentences = 1;
  bool operator==(const QueryShape&) const = default;
};

// Where the state that goes from layer to layer is given new levels.
struct Segments {
  int layers = 0;       // after every so many layers but the last; 0: nowhere
  bool halves = false;  // and in each layer between attention and feed-forward
  bool operator==(const Segments&) const = default;
};

// What a circuit can be built with or without.
struct Variant {
  Segments segments;
  bool score_matrices = false;  // of one round: for a level more
};

// Parameters to try: larger digits fit beside a small scale, which may lose too many bits, and fewer levels may do
// without matrices of scores.
struct PlanAttempt {
  int log_scale;
  bool score_matrices;
};

struct EncoderProtocol {
  model::Protocol protocol;
  // How many sentences of so many tokens fill a query of so many slots; 1 where there are no batches.
  int (*batch)(const model::ModelConfig& config, int tokens, std::size_t slots);
  // The circuit of one query. Throws Error(model) naming the field whose value the packing cannot hold, and
  // circuit::ProgramTooLarge.
  circuit::Program (*build)(const EncoderWeights& weights, const QueryShape& shape, std::size_t slots,
                            const circuit::ProgramLimits& limits, const Variant& variant);
  std::span<const PlanAttempt> attempts;  // the fastest first
  // The ways to give the state new levels that may be the cheapest for so many layers.
  std::vector<Segments> (*segments)(int layers);
  // Refreshed values are hidden up to a statistical distance of 2^-bits (circuit/mask_distance.h); 0: as the primes
  // happen to allow.
  double statistical_bits;
  // The server hides its answers but for noise of this standard deviation on the outputs (ckks/answer.h); 0: it does
  // not, because the client sees more anyway.
  double flood_deviation;
  // For the ledger: what the outputs of padding tell, and what the client sees beyond the outputs.
  const char* outputs_of_padding;
  std::string (*seen_by_client)(const model::ModelConfig& config);
};

}  // namespace thex::encoder
