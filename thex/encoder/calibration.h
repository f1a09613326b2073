// The sizes that plans are made from, measured: config.json's section "thex" has them.
#pragma once

#include <span>
#include <vector>

#include "thex/model/model.h"

namespace thex::encoder {

// Of an HE-friendly model over some embedded texts (model::embed): HeSection::layers with its weights, and max_logit,
// max_relu_input. Throws Error(model) when a value is not finite.
void calibrate(model::Model& model, std::span<const std::vector<double>> texts);

// The weights' sizes alone, beside the values' that are there.
void measure_weights(model::Model& model);

}  // namespace thex::encoder
