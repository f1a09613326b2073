// Every option of the THE-X workflow, once: workflow_option_rows() gives the command line, the defaults of each
// profile, the fingerprint of checkpoints and the rows of the report.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "thex/convert/option_table.h"
#include "thex/model/config.h"

namespace thex::convert {

enum class Profile {
  paper,     // THE-X as published: labels alone, T frozen, fine-tuned with the true LayerNorm, then every LayerNorm
             // replaced at once by distilling its own output with all else frozen
  standard,  // what loses least: a teacher in every stage, norms replaced a few at a time, each time fine-tuned
};
const char* name_of(Profile profile);  // "paper", "default"

// The members' values are those of Profile::standard for the-x and a small model; see suited_options.
struct WorkflowOptions {
  Profile profile = Profile::standard;
  model::Protocol protocol = model::Protocol::the_x;  // the others: under Profile::standard alone
  // A training has at least so many epochs, and as many as make the steps: an epoch of a small data set is few.
  int epochs = 1;       // of each fine-tuning stage
  int norm_epochs = 1;  // after each group of replaced LayerNorms
  int final_epochs = 3;
  long min_steps = 400;
  long final_steps = 1200;
  int patience = 5;    // epochs without a better held-out score that end a training; 0: none do
  int norm_group = 1;  // LayerNorms replaced together: more are faster, but scores may overflow
  double learning_rate = 2e-4;
  double embedding_rate = 2e-4;
  double affine_rate = 0.75;  // share of both rates where LayerNorms are affine
  double weight_decay = 0.01;
  std::size_t batch_size = 64;
  std::size_t epoch_examples = 0;  // see TrainOptions
  double hard = 0;                 // share of the hard labels in the loss, the rest is the teacher's
  double hidden = 0;               // weight of the distillation of the plain model's layer outputs
  double states = 30;              // the same of masked_rounds, see StateTeacher
  double temperature = 2;
  double dropout = 0, word_dropout = 0;  // noise in the student alone: it cannot follow its teacher through it
  double length_power = 0.5;
  double score_limit = 3;    // |s/2+1| beyond it is penalised ("attention overflow")
  double ffn_limit = 15;     // |FFN pre-activation|
  double hidden_limit = 15;  // |norm inputs| where the norm is affine
  double range_weight = 0.05;
  int estimation_steps = 1500;  // of the network T, by the-x
  double norm_rate = 5e-3;      // of gamma' and beta' under Profile::paper
  std::size_t sample = 6000;    // training examples that closed forms and measurements look at
  long max_steps = 0;           // 0: no limit; else each training stops there (--quick and tests)
  std::uint64_t seed = 1;
};

std::span<const OptionRow<WorkflowOptions>> workflow_option_rows();

// `typed` with the defaults that suit its profile, its protocol and the circumstances wherever nothing was given: a
// large pre-trained encoder forgets at the rate at which a BERT-tiny learns.
WorkflowOptions suited_options(const WorkflowOptions& typed, const std::set<std::string>& given,
                               const Circumstances& circumstances);

// Throws Error(usage) where an option was given that a conversion for the protocol does not read. `given`: names of
// rows.
void require_read(const WorkflowOptions& options, const std::set<std::string>& given);

// A first impression in minutes: few steps in every stage, whatever else was asked for.
void make_quick(WorkflowOptions& options, int layers);

// Profile, protocol and all rows: for reports, and as one text for fingerprints, which has the seed too.
std::vector<std::pair<std::string, std::string>> report_rows(const WorkflowOptions& options);
std::string describe(const WorkflowOptions& options);

}  // namespace thex::convert
