// The sizes that plans are made from, measured: config.json's section "thex" has them.
#pragma once

#include <span>
#include <vector>

#include "thex/model/model.h"

namespace thex::encoder {

// Of an HE-friendly model over some embedded texts (model::embed): all of HeSection that is measured. Throws
// Error(model) when a value is not finite.
void calibrate(model::Model& model, std::span<const std::vector<double>> texts);

// The values' sizes that are there become as large as those over some more texts, and of a polynomial model as those of
// padding (model::measure_padding), which masks hide as well. Throws Error(model) when a value is not finite.
void widen_sizes(model::Model& model, std::span<const std::vector<double>> texts);

// The weights' sizes alone, beside the values' that are there.
void measure_weights(model::Model& model);

// What errors of the layers' values make of the outputs (HeSection::layers), and embedding_rms, beside the sizes that
// are there. A few texts will do: it takes a forward pass for every layer and text, and at least eight for every layer.
// Throws Error(model) when a value is not finite.
void measure_errors(model::Model& model, std::span<const std::vector<double>> texts);

}  // namespace thex::encoder
