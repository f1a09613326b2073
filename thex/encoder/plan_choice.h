// Which plan serves a model: of the protocols that can evaluate it, and of their ways to give values new levels, the
// one whose queries take least, computation and network together. Client and server choose alike, from the
// configuration and the same request.
#pragma once

#include <string>
#include <vector>

#include "thex/circuit/plan.h"
#include "thex/encoder/inference_plan.h"
#include "thex/encoder/rows/encoder_protocol.h"

namespace thex::encoder {

struct PlanChoice {
  model::Protocol protocol = model::Protocol::the_x;
  Variant variant;
  std::vector<QueryShape> shapes;
  circuit::Plan circuits;  // without weights
  std::vector<PlanPrice> prices;
};

// Throws Error(model) when the model is not HE-friendly, its shape unsupported or the request's protocol not one of its
// own; Error(crypto) with the reason and what may help when nothing fits.
PlanChoice choose_plan(const model::ModelConfig& config, const PlanRequest& request);

// The circuits of a choice, with weights behind every plain vector.
std::vector<circuit::Program> build_circuits(const PlanChoice& choice, const EncoderWeights& weights);

}  // namespace thex::encoder
