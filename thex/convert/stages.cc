#include "thex/convert/stages.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "thex/base/error.h"
#include "thex/convert/deep_start.h"
#include "thex/convert/deep_training.h"
#include "thex/convert/polynomial_start.h"

namespace thex::convert {
namespace {

using torch::Tensor;

constexpr std::size_t kLeastForHead = 2000;  // examples, and
constexpr double kHeadTokens = 70000;        // tokens that a deep model's head is fitted to, where there are as many

// Squared excess of |value| over `limit`, averaged over the real entries.
Tensor excess(const Tensor& value, double limit, const Tensor& mask) {
  const Tensor over = at::relu(value.abs() - limit) * mask;
  return over.square().sum() / (mask.sum() * (value.numel() / std::max<std::int64_t>(1, mask.numel())) + 1);
}

Loss with_ranges(Loss task, const EncoderModule& module, const WorkflowOptions& o) {
  const std::vector<NormMode> norms = module.norms;
  const bool squares = module.config.activation == model::Activation::square;
  return [=](const Output& out, const Batch& batch) {
    Tensor loss = task(out, batch);
    for (std::size_t l = 0; l < out.layers.size(); ++l) {
      const LayerTrace& t = out.layers[l];
      const Tensor rows = batch.mask.slice(1, 0, t.ffn.size(1)).unsqueeze(-1);
      const Tensor pairs = rows.unsqueeze(1) * batch.mask.unsqueeze(1).unsqueeze(1);
      // Sums rather than means of the few outliers: the mean would vanish among thousands of harmless scores.
      loss = loss + excess(t.u, o.score_limit, pairs) * (o.range_weight * 20);
      // A square's output is as large as the square of the limit.
      loss = loss + excess(t.ffn, squares ? std::sqrt(o.ffn_limit) : o.ffn_limit, rows) * o.range_weight;
      for (int i = 0; i < 2; ++i)
        if (norms[2 * l + static_cast<std::size_t>(i)] == NormMode::affine)
          loss = loss + excess(t.norm_in[i], o.hidden_limit, rows) * o.range_weight;
    }
    return loss;
  };
}

bool is_estimation(const std::string& name) { return name.find(".estimation.") != std::string::npos; }

void set_estimation(EncoderModule& m, const Parameters& t) {
  m.softmax = model::Softmax::estimation;
  for (int l = 0; l < m.config.layers; ++l)
    for (const auto& [name, value] : t)
      m.params[layer_prefix(l) + "attention.self.estimation." + name] = value.to(m.device).clone();
}

class Workflow {
 public:
  Workflow(const EncoderModule& plain, Tensor teacher, const EncoderModule* larger, const TaskData& data,
           const WorkflowOptions& o, const CheckpointStore& store, const Log& log)
      : data_(data),
        o_(o),
        log_(log),
        some_(evenly_spaced(data.split.train, o.sample)),
        plain_(plain.clone()),
        larger_(larger),
        run_(plain.clone(), data, store.with(describe(o)), o.seed, log) {
    const Objective objective = objective_of(data.spec.kind, data.split.train);
    task_ = label_loss(objective);
    if (o.profile == Profile::standard) {
      const Targets targets = takes_states(o.protocol) ? [](const Batch& batch) { return batch.wanted->logits; }
                                                       : targets_of(objective.task, teacher, data.split.train);
      task_ = distillation_loss(objective, targets, o.hard, o.temperature);
      if (o.hidden > 0) task_ = with_hidden_states(task_, plain, o.hidden);
    }
  }

  WorkflowResult run() {
    run_.stage("plain", "the model as given", [](EncoderModule&) {});
    const model::ProtocolRow& wanted = row_of(o_.protocol);
    const bool deep = takes_states(o_.protocol);
    if (run_.module.config.pooler)
      run_.stage("no-pooler", deep ? "pooler dropped, classifier fitted" : "pooler dropped, fine-tuned",
                 [&](EncoderModule& m) {
                   if (o_.profile == Profile::standard) {
                     drop_pooler(m, some_);
                   } else {
                     m.remove_pooler();
                   }
                   if (!deep) fine_tune(m, "no-pooler", o_.epochs, o_.min_steps, 1, false);
                 });
    if (deep) {
      become_deep_polynomial();
    } else {
      become(wanted.activation);
      become(wanted.softmax);
      if (o_.profile == Profile::paper) {
        distil_norms();
      } else {
        replace_norms();
      }
    }
    run_.stage("half-precision", "parameters rounded to 16 bits", [](EncoderModule& m) {
      for (auto& [name, value] : m.params) {
        value = value.to(torch::kFloat16).to(torch::kFloat32);
        if (!at::isfinite(value).all().item<bool>())
          throw Error(ErrorCode::input, "training left values in '" + name +
                                            "' that 16 bits cannot hold (beyond 65504): add training examples, or "
                                            "lower --rate");
      }
    });
    DataSet unseen = data_.split.held_out;
    unseen.insert(unseen.end(), data_.dev.begin(), data_.dev.end());
    return {run_.module,
            run_.rows,
            estimation_,
            estimation_report_,
            measure_ranges(run_.module, measured_texts(), log_),
            measure_ranges(run_.module, unseen, log_)};
  }

 private:
  // Those that the ranges of values come from: some of the training texts, and some as long as any.
  DataSet measured_texts() const {
    DataSet texts = some_;
    const DataSet joined =
        join_to_length(data_.split.train, o_.sample / 20, static_cast<std::size_t>(data_.max_length), o_.seed);
    texts.insert(texts.end(), joined.begin(), joined.end());
    return texts;
  }

  void become(model::Activation wanted) {
    switch (wanted) {
      case model::Activation::square:
        run_.stage("square", "GELU -> parabola, fine-tuned", [&](EncoderModule& m) {
          start_square_activation(m, some_);
          fine_tune(m, "square", o_.epochs, o_.min_steps, 1, false);
        });
        return;
      case model::Activation::relu:
        if (run_.module.config.activation == wanted) return;
        run_.stage("relu", "GELU -> ReLU, fine-tuned", [&](EncoderModule& m) {
          m.config.activation = model::Activation::relu;
          fine_tune(m, "relu", o_.epochs, o_.min_steps, 1, false);
        });
        return;
      case model::Activation::gelu:
        return;
    }
  }

  void become(model::Softmax wanted) {
    switch (wanted) {
      case model::Softmax::power:
        run_.stage("power-softmax", "softmax -> (s/2+1)^2 / n, fine-tuned", [&](EncoderModule& m) {
          start_power_softmax(m, some_);
          fine_tune(m, "power-softmax", o_.epochs, o_.final_steps, 1, false);
        });
        return;
      case model::Softmax::estimation:
        estimate_softmax();
        run_.stage("fine-tuned", "fine-tuned, true LayerNorm, T frozen",
                   [&](EncoderModule& m) { fine_tune(m, "fine-tuned", o_.epochs, o_.min_steps, 1, false); });
        return;
      case model::Softmax::exact:
        return;
    }
  }

  // All at once, in closed form, then by the plain model's states: one nonlinearity after the other, by its outputs, is
  // unstable over many layers.
  void become_deep_polynomial() {
    run_.stage("polynomials", "all polynomials at once in closed form, layer by layer, not fine-tuned",
               [&](EncoderModule& m) {
                 start_deep_polynomial(m, some_, {.tokens = deep_start_tokens(m.config), .seed = o_.seed}, log_);
                 fit_deep_head(m);
               });
    run_.stage("states", "fine-tuned on the plain model's states and outputs", [&](EncoderModule& m) {
      const StateTeacher teacher(plain_, evenly_spaced(some_, 500), larger_);
      TrainOptions t = options("states", 1, o_.final_steps);
      t.learning_rate = o_.learning_rate;
      t.embedding_rate = o_.embedding_rate;
      t.warmup = 0.05;
      const long steps = o_.max_steps > 0 ? std::min(o_.final_steps, o_.max_steps) : o_.final_steps;
      train_deep_polynomial(m, teacher, evenly_spaced(some_, 1000), data_, task_,
                            {.steps = steps, .states = o_.states, .seed = t.seed, .measured = measured_texts()}, t,
                            log_);
    });
    // Steps leave it off by a little, those of the last cure most.
    run_.stage("head", "classifier fitted once more in closed form", [&](EncoderModule& m) { fit_deep_head(m); });
  }

  void fit_deep_head(EncoderModule& m) const {
    const auto many = static_cast<std::size_t>(kHeadTokens / std::max(1.0, mean_length(some_)));
    fit_head(m, larger_ != nullptr ? *larger_ : plain_, evenly_spaced(some_, std::max(kLeastForHead, many)));
  }

  TrainOptions options(const std::string& name, int epochs, long steps) {
    TrainOptions t;
    t.name = name;
    t.epoch_examples = o_.epoch_examples;
    t.epochs = epochs_for(data_.split.train.size(), o_.batch_size, steps, epochs, t.epoch_examples);
    t.patience = o_.patience;
    t.batch_size = o_.batch_size;
    t.weight_decay = o_.weight_decay;
    t.length_power = o_.length_power;
    t.seed = o_.seed + 17 * (run_.rows.size() + 1);
    t.max_steps = o_.max_steps;
    t.store = &run_.store();
    t.curve = run_.curve();
    return t;
  }

  void fine_tune(EncoderModule& m, const std::string& name, int epochs, long steps, double rate_scale, bool all_rows) {
    TrainOptions t = options(name, epochs, steps);
    t.learning_rate = o_.learning_rate * rate_scale;
    t.embedding_rate = o_.embedding_rate * rate_scale;
    t.start_counts = o_.profile == Profile::standard;
    t.forward.dropout = o_.dropout;
    t.forward.word_dropout = o_.word_dropout;
    t.forward.cls_only_last = !all_rows;
    const Loss loss = o_.profile == Profile::paper ? task_ : with_ranges(task_, m, o_);
    train(
        m, data_, t, loss, [](const std::string& n) { return !is_estimation(n); }, log_);
  }

  void estimate_softmax() {
    EstimationOptions& e = estimation_;
    e.seed = o_.seed;
    e.max_length = data_.max_length;
    e.steps = o_.estimation_steps;
    const auto q = sum_quantiles(run_.module, some_, {0.002, 0.998});
    const double per_token = q[1] / std::max(1.0, mean_length(some_));
    e.min_sum = std::clamp(q[0] / 2, 0.5, 4.0);
    e.max_sum = std::clamp(per_token * data_.max_length, 500.0, 4000.0);
    e.max_pre = 50;
    auto [t, report] = fit_estimation(e);
    estimation_report_ = report;
    char line[240];
    std::snprintf(line, sizeof line,
                  "T fitted for sums %.3g..%.4g: MSE to softmax %.2e (exact reciprocal: %.2e), T's own part %.2e, "
                  "worst relative %.3f",
                  e.min_sum, e.max_sum, report.mse_true_softmax, report.mse_exact_reciprocal,
                  report.mse_reciprocal_part, report.worst_relative);
    log_(line);
    run_.stage("softmax-estimation", "softmax -> c*T(sum c), not fine-tuned",
               [&, fitted = t](EncoderModule& m) { set_estimation(m, fitted); });
  }

  // THE-X, stage 5: gamma' = 1 and beta' = 0 learn each LayerNorm's output from its input; the forward pass goes on
  // with the original's output and everything else is frozen.
  void distil_norms() {
    run_.stage("affine-norm", "LayerNorm -> affine, distilled with all else frozen (the paper's stage 5)",
               [&](EncoderModule& m) {
                 for (std::size_t i = 0; i < m.norms.size(); ++i) {
                   m.norms[i] = NormMode::shadow;
                   const std::string p = norm_prefix(static_cast<int>(i)) + "AffineNorm.";
                   m.params[p + "weight"] = at::ones({m.config.hidden}).to(m.device);
                   m.params[p + "bias"] = at::zeros({m.config.hidden}).to(m.device);
                 }
                 TrainOptions t = options("affine-norm", o_.norm_epochs, o_.final_steps);
                 t.learning_rate = o_.norm_rate;
                 t.rate_option = "--norm-rate";
                 t.embedding_rate = 0;
                 t.length_power = 0;
                 t.keep_last = true;
                 train(
                     m, data_, t, norm_distillation_loss(),
                     [](const std::string& n) { return n.find("AffineNorm.") != std::string::npos; }, log_);
                 for (NormMode& mode : m.norms) mode = NormMode::affine;
               });
  }

  void replace_norms() {
    const EncoderModule before = run_.module.clone();
    std::vector<int> all(before.norms.size());
    std::iota(all.begin(), all.end(), 0);
    run_.stage("affine-norm", "LayerNorm -> affine, all at once by least squares, not fine-tuned (for comparison)",
               [&](EncoderModule& m) {
                 fit_affine_norms(m, some_, all);
                 for (NormMode& mode : m.norms) mode = NormMode::affine;
               });
    run_.module = before;
    const auto group = static_cast<std::size_t>(std::max(1, o_.norm_group));
    for (std::size_t begin = 0; begin < all.size(); begin += group) {
      const std::vector<int> part(all.begin() + static_cast<std::ptrdiff_t>(begin),
                                  all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), begin + group)));
      std::string name = "affine-norm-" + std::to_string(part.front());
      if (part.size() > 1) name += "-" + std::to_string(part.back());
      run_.stage(name, "norms " + name.substr(12) + " affine, fine-tuned", [&](EncoderModule& m) {
        for (int i : part) {  // one after the other: each fits the values that those before it leave
          fit_affine_norms(m, some_, {i});
          m.norms[static_cast<std::size_t>(i)] = NormMode::affine;
        }
        fine_tune(m, name, o_.norm_epochs, o_.min_steps, o_.affine_rate, true);
      });
    }
    run_.stage("final", "fine-tuned",
               [&](EncoderModule& m) { fine_tune(m, "final", o_.final_epochs, o_.final_steps, o_.affine_rate, true); });
  }

  const TaskData& data_;
  const WorkflowOptions& o_;
  const Log& log_;
  const DataSet some_;
  const EncoderModule plain_;
  const EncoderModule* const larger_;
  StageRunner run_;
  Loss task_;
  EstimationOptions estimation_;
  EstimationReport estimation_report_;
};

}  // namespace

bool takes_states(model::Protocol protocol) { return row_of(protocol).norm == model::Norm::mean_square; }

WorkflowResult run_workflow(const EncoderModule& plain, Tensor teacher_table, const TaskData& data,
                            const WorkflowOptions& o, const CheckpointStore& store, const Log& log,
                            const EncoderModule* larger) {
  if (o.profile == Profile::paper && o.protocol != model::Protocol::the_x)
    throw Error(ErrorCode::usage, "the paper's profile is for the protocol the-x");
  if (o.profile == Profile::standard && !takes_states(o.protocol) && !teacher_table.defined())
    throw Error(ErrorCode::usage, "this profile needs a teacher's outputs");
  return Workflow(plain, teacher_table, larger, data, o, store, log).run();
}

}  // namespace thex::convert
