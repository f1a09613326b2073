#include "thex/convert/plain_options.h"

namespace thex::convert {
namespace {

using F = FineTuneOptions;
using P = PlainOptions;
using M = model::ModelConfig;

constexpr OptionRow<F> kFineTune[] = {
    {"epochs", &F::epochs, 0, 1000, "Epochs of the fine-tuned encoder; 0: as many as make 400 steps, 10 at most"},
    {"rate", &F::rate, kAboveZero, 10, "Learning rate of the fine-tuned encoder"},
    {"batch", &F::batch, 1, 4096, "Examples a step of the fine-tuned encoder"},
    {"min_steps", &F::min_steps, 1, 1e6, nullptr},
    {"patience", &F::patience, 0, 1000, nullptr},
    {"dropout", &F::dropout, 0, 0.9, nullptr},
    {"length_power", &F::length_power, -10, 10, nullptr},
    {"max_steps", &F::max_steps, 0, 1e9, nullptr},
};

constexpr OptionRow<P> kPlain[] = {
    {"epochs", &P::epochs, 0, 1000, "Epochs of the student; 0: as many as make --min-steps"},
    {"min_steps", &P::min_steps, 1, 1e7, "Steps of the student, at least, but 60 epochs at most"},
    {"patience", &P::patience, 0, 1000, "Epochs without a better held-out score that end it; 0: none do"},
    {"rate", &P::rate, kAboveZero, 10, "Learning rate of the student"},
    {"embedding_rate", &P::embedding_rate, 0, 10, "Of its word embeddings; 0 freezes them"},
    {"batch", &P::batch, 1, 4096, "Examples a step (default: 64, 32 below 20,000 examples)",
     [](const P&, const Circumstances& c) { return c.examples >= 20000 ? 64.0 : 32.0; }},
    {"hard", &P::hard, 0, 1, "Share of the labels in the student's loss"},
    {"temperature", &P::temperature, kAboveZero, 1e3, "Of the distillation"},
    {"dropout", &P::dropout, 0, 0.9, "After the embeddings"},
    {"word_dropout", &P::word_dropout, 0, 0.9, "Of whole words"},
    {"length_power", &P::length_power, -10, 10, "Weight of long examples: (length/mean)^power"},
    {"max_steps", &P::max_steps, 0, 1e9, nullptr},
};

constexpr OptionRow<M> kShape[] = {
    {"layers", &M::layers, 1, 48, "Layers of the student"}, {"hidden", &M::hidden, 1, 16384, "Its hidden size"},
    {"heads", &M::heads, 1, 1024, "Its attention heads"},   {"ffn", &M::ffn, 1, 65536, "Its feed-forward units"},
    {"max_positions", &M::max_positions, 8, 512, nullptr},
};

}  // namespace

std::span<const OptionRow<FineTuneOptions>> fine_tune_option_rows() { return kFineTune; }
std::span<const OptionRow<PlainOptions>> plain_option_rows() { return kPlain; }
std::span<const OptionRow<model::ModelConfig>> student_shape_rows() { return kShape; }

std::string describe(const FineTuneOptions& o) {
  return describe_options(fine_tune_option_rows(), o) + "fresh_pooler=" + std::to_string(o.fresh_pooler) +
         ";seed=" + std::to_string(o.seed);
}

std::string describe(const PlainOptions& o) {
  return "student;" + describe_options(student_shape_rows(), o.student) + describe_options(plain_option_rows(), o) +
         "seed=" + std::to_string(o.seed);
}

}  // namespace thex::convert
