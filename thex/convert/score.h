// A model's predictions for a data set, and the task's metrics of them.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "thex/convert/data.h"
#include "thex/convert/losses.h"
#include "thex/data/metrics.h"

namespace thex::convert {

// Progress lines, without a newline; libraries do not print.
using Log = std::function<void(const std::string&)>;

struct Score {
  double metric = 0;       // the task's first metric, times 100
  double metric_long = 0;  // the same of the first `n_long` examples; equal to `metric` when there are none
  double loss = 0;         // the mean loss with the labels
  std::size_t count = 0;
  bool one_answer = false;                // every example got the same label, though they have different ones
  std::map<std::string, double> metrics;  // all of the task's, times 100
};

// What epochs are compared by: the mean of both metrics, ties by the loss.
double selection(const Score& score);

// The outputs for every example in the order of `data`, on the CPU: [N, labels], for token classification
// [kept words, labels].
torch::Tensor predict(const EncoderModule& module, const DataSet& data, const Log& log = {});

// Examples without a label are left out. Token classification is counted over every word of the data, as conlleval
// does with a system's full output: a word that truncation or clean-up removed counts as predicted "O" (or the first
// label, where there is no "O"). A predicted value that is no number counts as the mean of the others.
data::Outcomes outcomes_of(const data::TaskSpec& spec, const DataSet& data, const torch::Tensor& predictions);

Score score_of(const data::TaskSpec& spec, const DataSet& data, const torch::Tensor& predictions,
               std::size_t n_long = 0);
Score evaluate(const EncoderModule& module, const data::TaskSpec& spec, const DataSet& data, std::size_t n_long = 0);

// The standard error of what two models' first metrics differ by on the same examples, times 100, over `draws`
// resamplings of the examples (paired bootstrap).
double standard_error_of_change(const data::TaskSpec& spec, const data::Outcomes& before, const data::Outcomes& after,
                                int draws, std::uint64_t seed);

// How alike two models decide on the same examples, times 100: the share of equal labels or tags; of values Pearson's
// correlation.
double agreement_of(const data::TaskSpec& spec, const data::Outcomes& before, const data::Outcomes& after);

// "accuracy 84.17, f1 83.90 of 872"
std::string score_text(const Score& score);

}  // namespace thex::convert
