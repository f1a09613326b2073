// What goes into the matrices of a model's layers, for trainings that start where least squares ended (Adam).
#pragma once

#include "thex/convert/adam.h"
#include "thex/convert/data.h"

namespace thex::convert {

// Of queries, keys, values and both dense layers after attention and in the FFN, over the tokens of `data`; of the
// FFN's last matrix, whose inputs are many, the covariance's diagonal alone. Tokens whose values are no numbers or far
// from the others do not count. Throws Error(input) where none is left.
InputStatisticsOf input_statistics(const EncoderModule& module, const DataSet& data);

}  // namespace thex::convert
