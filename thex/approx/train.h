// One training loop for every stage: AdamW with linear warm-up and decay, length-sorted batches, an evaluation after
// each epoch on the held-out split, and the best epoch kept.
#pragma once

#include <functional>
#include <string>

#include "thex/approx/data.h"
#include "thex/approx/encoder_module.h"

namespace thex::approx {

// Progress lines, without a newline; libraries do not print.
using Log = std::function<void(const std::string&)>;

struct TrainOptions {
  std::string name;  // for progress lines
  int epochs = 1;
  std::size_t batch_size = 64;
  double learning_rate = 5e-4;
  double embedding_rate = 5e-4;  // of the word table; 0: the table is not trained
  double warmup = 0.1;           // share of the steps
  double weight_decay = 0.01;
  double clip = 1.0;
  double length_power = 0;  // weight of long examples, see collate
  std::uint64_t seed = 1;
  long max_steps = 0;  // 0: no limit; else stop there (tests, quick looks)
  ForwardOptions forward;
};

// The mean loss of a batch, with gradients.
using Loss = std::function<torch::Tensor(const Output&, const Batch&)>;

struct Score {
  double accuracy = 0;       // in per cent
  double accuracy_long = 0;  // of the first `n_long` examples, in per cent
  double loss = 0;           // mean cross-entropy with the labels
  std::size_t count = 0;
};

// What epochs are compared by: the mean of both accuracies, ties by the loss.
double selection(const Score& score);

Score evaluate(const EncoderModule& module, const DataSet& data, std::size_t n_long = 0);

// Logits of every example, [N, labels], in the order of `data`, on the CPU.
torch::Tensor all_logits(const EncoderModule& module, const DataSet& data, const Log& log);

// Trains the parameters for which `trainable` holds (the word table by embedding_rate), returns the held-out score of
// the best epoch, whose parameters the module then has. With keep_last the last epoch's stay (for losses that the
// accuracy says nothing about).
Score train(EncoderModule& module, const Split& split, const TrainOptions& options, const Loss& loss,
            const std::function<bool(const std::string&)>& trainable, const Log& log, bool keep_last = false);

// Cross-entropy with the labels; examples without one (-1) do not count.
torch::Tensor label_loss(const Output& out, const Batch& batch);
// hard * cross-entropy + (1 - hard) * T^2 * KL(teacher || student) at temperature T; `teacher` is [N, labels] by
// example.
Loss distillation_loss(torch::Tensor teacher, double hard, double temperature);

}  // namespace thex::approx
