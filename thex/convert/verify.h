// The exported model against the module it came from: the double-precision forward pass of thex::model, sentence by
// sentence without padding, must give the same logits as libtorch's padded single-precision batches.
#pragma once

#include "thex/convert/data.h"
#include "thex/convert/encoder_module.h"

namespace thex::convert {

struct Agreement {
  double metric = 0;              // the task's first metric of the reference, times 100
  double largest_difference = 0;  // of any logit; infinite when one is no number
  std::size_t count = 0;
};

Agreement compare_with_reference(const EncoderModule& module, const model::Model& exported, const data::TaskSpec& spec,
                                 const DataSet& data);

}  // namespace thex::convert
