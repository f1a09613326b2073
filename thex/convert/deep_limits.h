// Where the polynomials of deep models are near what they replace: a power of a score near a softmax's probability,
// which is at most 1 where (s/2 + 1)^2 / n grows without end, and mean squares at which a norm's factor 1 + slope m is
// well above zero. Texts beyond are few, but what one layer throws far the next throws farther.
#pragma once

#include <vector>

#include "thex/convert/data.h"

namespace thex::convert {

class DeepLimits {
 public:
  // Units of the usual mean square at which a norm's factor may be zero: no text is to be so far.
  static constexpr double kFarthest = 5;

  // The usual mean square before each norm by mean squares is that of half of the tokens of `data` in `start`: some may
  // be lost already. Throws Error(input) when half of them are.
  DeepLimits(const EncoderModule& start, const DataSet& data);

  // What probabilities above 1.2 times their head's usual sum over all keys, and mean squares above 2.5 times the
  // usual, are beyond these, large sums by their root: the mean over tokens, the sum over layers.
  torch::Tensor penalty(const Output& out, const Batch& batch) const;

  // Slopes stay where the norm's factor is at least zero up to five times the usual mean square.
  void hold(EncoderModule& module) const;

  // For each text the largest mean square of any token before any of these norms, in units of the usual; infinite
  // where it is not finite.
  std::vector<double> farthest(const EncoderModule& module, const DataSet& texts) const;

 private:
  std::vector<double> usual_;              // by norm, two a layer; 0: another kind of norm
  std::vector<torch::Tensor> usual_sums_;  // by layer, [1, heads, 1, 1]: of a query's probabilities over all keys
};

}  // namespace thex::convert
