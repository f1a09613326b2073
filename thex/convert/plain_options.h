// The options of plain models' trainings, once: of a fine-tuned backbone (`--plain-...` of a conversion,
// `--teacher-...` of make-plain) and of the student that make-plain distils. See option_table.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "thex/convert/option_table.h"
#include "thex/model/config.h"

namespace thex::convert {

struct FineTuneOptions {
  int epochs = 0;  // 0: as many as make `min_steps` steps, 10 at most
  long min_steps = 400;
  int patience = 3;
  double rate = 6e-5;  // of a pre-trained encoder; the fresh head shares it
  std::size_t batch = 32;
  double dropout = 0;
  double length_power = 0;
  long max_steps = 0;         // 0: no limit; else the training stops there (--quick and tests)
  bool fresh_pooler = false;  // a random pooler where the encoder has none
  std::uint64_t seed = 1;
};
std::span<const OptionRow<FineTuneOptions>> fine_tune_option_rows();
std::string describe(const FineTuneOptions& options);  // for fingerprints

struct PlainOptions {
  model::ModelConfig student;  // shape of the result; labels and task set by the caller
  FineTuneOptions teacher;
  int epochs = 0;  // 0: as many as make `min_steps` steps, 4 at least and 60 at most
  long min_steps = 4000;
  int patience = 8;
  double rate = 1e-3;
  double embedding_rate = 1e-3;
  std::size_t batch = 64;
  double hard = 0.2;  // share of the hard-label loss
  double temperature = 2;
  double dropout = 0, word_dropout = 0;  // noise in the student alone: it cannot follow its teacher through it
  double length_power = 0.5;
  long max_steps = 0;  // 0: no limit; else the student's training stops there (--quick and tests)
  std::uint64_t seed = 1;
};
std::span<const OptionRow<PlainOptions>> plain_option_rows();
// The shape of the student: layers, hidden, heads, ffn.
std::span<const OptionRow<model::ModelConfig>> student_shape_rows();
std::string describe(const PlainOptions& options);  // of the student's training, for fingerprints

}  // namespace thex::convert
