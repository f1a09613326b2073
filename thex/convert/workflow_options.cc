#include "thex/convert/workflow_options.h"

#include <algorithm>
#include <cmath>

#include "thex/base/error.h"

namespace thex::convert {
namespace {

using O = WorkflowOptions;
using C = Circumstances;

bool polynomial(const O& o) { return row_of(o.protocol).polynomial(); }
bool deep(const O& o) { return row_of(o.protocol).norm == model::Norm::mean_square; }

// Attention by a power has more to learn anew. States that every layer is drawn to allow more; at 2e-4 and more a deep
// model unlearns its closed form before it learns.
double suited_rate(const O& o, const C& c) {
  if (deep(o) && c.hidden > 128) return c.hidden <= 384 ? 5e-5 : 2.5e-5;
  if (c.hidden <= 128) return polynomial(o) ? 6e-4 : 2e-4;
  return c.hidden <= 384 ? 5e-5 : 3e-5;
}

// Without LayerNorms nothing holds polynomials back: at 4.5e-4 one batch in a few hundred threw them off.
double suited_affine_rate(const O& o, const C& c) { return polynomial(o) && c.hidden <= 128 ? 0.3 : 0.75; }

// Where states are learnt every token teaches.
double suited_batch(const O& o, const C& c) {
  if (deep(o)) return std::clamp(std::round(500 / std::max(1.0, c.tokens)), 8.0, 64.0);
  return c.examples >= 20000 ? 64 : 32;
}

// Deep models go on gaining where others have long ended: pairs of MRPC lost 4.1 points after 1,200 steps.
double suited_final_steps(const O& o, const C&) { return deep(o) ? 4000 : 1200; }

// A square tells scores less apart than a cube.
double suited_score_limit(const O& o, const C&) { return polynomial(o) ? 6 : 3; }

// Stages replace one part after another; for masked rounds all are replaced at once.
constexpr Readers<O> kStaged = {[](const O& o) { return !deep(o); }, "; not for masked-rounds"};
constexpr Readers<O> kDeep = {deep, "; for masked-rounds alone"};
constexpr Readers<O> kTheX = {[](const O& o) { return o.protocol == model::Protocol::the_x; }, "; for the-x alone"};
constexpr Readers<O> kPaper = {[](const O& o) { return o.profile == Profile::paper; }, "; with --profile paper alone"};

constexpr OptionRow<O> kRows[] = {
    {"epochs", &O::epochs, 1, 1000, "Epochs of each fine-tuning stage, at least", nullptr, kStaged},
    {"norm_epochs", &O::norm_epochs, 1, 1000, "Epochs after each group of replaced LayerNorms, at least", nullptr,
     kStaged},
    {"final_epochs", &O::final_epochs, 1, 1000, "Epochs of the last stage, at least", nullptr, kStaged},
    {"min_steps", &O::min_steps, 1, 1e6, "Steps of a stage, at least: small data sets get more epochs", nullptr,
     kStaged},
    {"final_steps", &O::final_steps, 1, 1e6,
     "The same for the last stage, and where a power takes softmax's place (default: 1200; 4000 for masked-rounds, "
     "which is all of their training)",
     suited_final_steps},
    {"patience", &O::patience, 0, 1000, "Epochs without a better held-out score that end a stage; 0: none do", nullptr,
     kStaged},
    {"norm_group", &O::norm_group, 1, 512, "LayerNorms replaced together: more are faster, but scores may overflow",
     nullptr, kStaged},
    {"rate", &O::learning_rate, kAboveZero, 10,
     "Learning rate (default: 6e-4 up to hidden size 128, 2e-4 for the-x; 5e-5 to 384, 3e-5 above; masked-rounds 5e-5 "
     "and 2.5e-5)",
     suited_rate},
    {"embedding_rate", &O::embedding_rate, 0, 10,
     "Of the word embeddings; 0 freezes them (default: --rate; 0 for masked-rounds)",
     [](const O& o, const C&) { return deep(o) ? 0 : o.learning_rate; }},
    {"affine_rate", &O::affine_rate, kAboveZero, 10,
     "Share of both rates once LayerNorms are affine (default: 0.75; 0.3 for one-round up to hidden size 128)",
     suited_affine_rate, kStaged},
    {"weight_decay", &O::weight_decay, 0, 10, "AdamW's"},
    {"batch", &O::batch_size, 1, 4096,
     "Examples a step (default: 64, 32 below 20,000 examples; masked-rounds 8 to 64, about 500 tokens)", suited_batch},
    {"epoch_examples", &O::epoch_examples, 0, 1e9, nullptr},
    {"hard", &O::hard, 0, 1, "Share of the labels in the loss, the rest is the teacher's"},
    {"hidden", &O::hidden, 0, 1e6, "Weight of the distillation of the plain model's layer outputs"},
    {"states", &O::states, 0, 1e6, "The same of all states, in deviations", nullptr, kDeep},
    {"temperature", &O::temperature, kAboveZero, 1e3, "Of the distillation"},
    {"dropout", &O::dropout, 0, 0.9, "After the embeddings (default: 0; with --profile paper 0.1)",
     [](const O& o, const C&) { return o.profile == Profile::paper ? 0.1 : 0.0; }, kStaged},
    {"word_dropout", &O::word_dropout, 0, 0.9, "Of whole words", nullptr, kStaged},
    {"length_power", &O::length_power, -10, 10, "Weight of long examples: (length/mean)^power"},
    {"score_limit", &O::score_limit, kAboveZero, 1e6, "Penalise |score/2+1| beyond this (default: 6; for the-x 3)",
     suited_score_limit, kStaged},
    {"ffn_limit", &O::ffn_limit, kAboveZero, 1e6, "Penalise feed-forward pre-activations beyond this", nullptr,
     kStaged},
    {"hidden_limit", &O::hidden_limit, kAboveZero, 1e6, "Penalise inputs of affine norms beyond this", nullptr,
     kStaged},
    {"range_weight", &O::range_weight, 0, 1e6, "Weight of the range penalties", nullptr, kStaged},
    {"estimation_steps", &O::estimation_steps, 1, 1e6, "Steps of the network that estimates reciprocals", nullptr,
     kTheX},
    {"norm_rate", &O::norm_rate, kAboveZero, 10, "Learning rate of the affine norms", nullptr, kPaper},
    {"sample", &O::sample, 100, 1e7, "Training examples that closed forms and measurements look at"},
    {"max_steps", &O::max_steps, 0, 1e9, nullptr},
};

}  // namespace

const char* name_of(Profile profile) { return profile == Profile::paper ? "paper" : "default"; }

std::span<const OptionRow<WorkflowOptions>> workflow_option_rows() { return kRows; }

WorkflowOptions suited_options(const WorkflowOptions& typed, const std::set<std::string>& given,
                               const Circumstances& circumstances) {
  return with_defaults(typed, workflow_option_rows(), given, circumstances);
}

void require_read(const O& o, const std::set<std::string>& given) {
  std::string unread;
  for (const OptionRow<O>& row : kRows) {
    const bool read = row.readers.reads == nullptr || row.readers.reads(o);
    if (!read && given.count(row.name)) unread += (unread.empty() ? "" : ", ") + flag_of(row.name);
  }
  if (!unread.empty())
    throw Error(ErrorCode::usage, std::string("a conversion for ") + name_of(o.protocol) + " by --profile " +
                                      name_of(o.profile) + " does not read " + unread +
                                      ": leave it out, or name another --protocol or --profile");
}

void make_quick(WorkflowOptions& o, int layers) {
  o.epochs = o.norm_epochs = o.final_epochs = 1;
  o.min_steps = 60;
  o.final_steps = deep(o) ? 240 : 120;
  o.max_steps = std::max(150L, o.final_steps);
  o.estimation_steps = 400;
  o.sample = std::min<std::size_t>(o.sample, 2000);
  o.patience = 0;
  o.norm_group = std::max(o.norm_group, (2 * layers + 3) / 4);
}

std::vector<std::pair<std::string, std::string>> report_rows(const WorkflowOptions& options) {
  std::vector<std::pair<std::string, std::string>> rows = {{"profile", name_of(options.profile)},
                                                           {"protocol", model::name_of(options.protocol)}};
  for (auto& row : option_values(workflow_option_rows(), options)) rows.push_back(std::move(row));
  return rows;
}

std::string describe(const WorkflowOptions& options) {
  return std::string(name_of(options.profile)) + ";" + model::name_of(options.protocol) + ";" +
         describe_options(workflow_option_rows(), options) + "seed=" + std::to_string(options.seed);
}

}  // namespace thex::convert
