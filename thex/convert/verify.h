// The exported model against the module it came from: thex::bert's double-precision forward pass, sentence by sentence
// without padding, must give the same logits as libtorch's padded single-precision batches.
#pragma once

#include "thex/convert/data.h"
#include "thex/convert/encoder_module.h"

namespace thex::convert {

struct Agreement {
  double metric = 0;              // of the reference: the task's first one, times 100
  double largest_difference = 0;  // of any logit
  std::size_t count = 0;
};

Agreement compare_with_reference(const EncoderModule& module, const model::Model& exported, const data::TaskSpec& spec,
                                 const DataSet& data);

}  // namespace thex::convert
