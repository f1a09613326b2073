#include "thex/approx/stages.h"

#include <ATen/Context.h>

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "thex/base/error.h"

namespace thex::approx {
namespace {

using torch::Tensor;

// Squared excess of |value| over `limit`, averaged over the real entries.
Tensor excess(const Tensor& value, double limit, const Tensor& mask) {
  const Tensor over = at::relu(value.abs() - limit) * mask;
  return over.square().sum() / (mask.sum() * (value.numel() / std::max<std::int64_t>(1, mask.numel())) + 1);
}

Loss with_ranges(Loss task, const EncoderModule& module, const WorkflowOptions& o) {
  const std::vector<NormMode> norms = module.norms;
  return [=](const Output& out, const Batch& batch) {
    Tensor loss = task(out, batch);
    for (std::size_t l = 0; l < out.layers.size(); ++l) {
      const LayerTrace& t = out.layers[l];
      const Tensor rows = batch.mask.slice(1, 0, t.ffn.size(1)).unsqueeze(-1);
      const Tensor pairs = rows.unsqueeze(1) * batch.mask.unsqueeze(1).unsqueeze(1);
      // Sums rather than means of the few outliers: the mean would vanish among thousands of harmless scores.
      loss = loss + excess(t.u, o.score_limit, pairs) * (o.range_weight * 20);
      loss = loss + excess(t.ffn, o.ffn_limit, rows) * o.range_weight;
      for (int i = 0; i < 2; ++i)
        if (norms[2 * l + static_cast<std::size_t>(i)] == NormMode::affine)
          loss = loss + excess(t.norm_in[i], o.hidden_limit, rows) * o.range_weight;
    }
    return loss;
  };
}

bool is_estimation(const std::string& name) { return name.find(".estimation.") != std::string::npos; }

void set_estimation(EncoderModule& m, const Parameters& t) {
  m.softmax = bert::Softmax::estimation;
  for (int l = 0; l < m.config.layers; ++l)
    for (const auto& [name, value] : t)
      m.params[layer_prefix(l) + "attention.self.estimation." + name] = value.to(m.device).clone();
}

std::map<std::string, std::string> notes_of(const Score& held, const Score& dev) {
  auto text = [](double v) {
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "%.9g", v);
    return std::string(buffer);
  };
  return {{"held", text(held.accuracy)},
          {"held_long", text(held.accuracy_long)},
          {"held_loss", text(held.loss)},
          {"dev", text(dev.accuracy)},
          {"dev_loss", text(dev.loss)}};
}

// Runs stages in order; each continues from the last one's module.
class Runner {
 public:
  Runner(EncoderModule start, const Split& split, const DataSet& dev, const CheckpointStore& store, const Log& log,
         const WorkflowOptions& options)
      : module(std::move(start)), split_(split), dev_(dev), store_(store), log_(log), options_(options) {}

  void stage(const std::string& name, const std::string& what, const std::function<void(EncoderModule&)>& action) {
    store_ = store_.with(name);
    char file[80];
    std::snprintf(file, sizeof file, "stage-%02zu-%s", rows.size(), name.c_str());
    StageRow row{name, what, {}, {}};
    if (auto saved = store_.load_module(file, module.device)) {
      module = std::move(saved->module);
      auto number = [&](const char* key) { return saved->number(key); };
      row.held_out = {number("held"), number("held_long"), number("held_loss"), split_.held_out.size()};
      row.dev = {number("dev"), number("dev"), number("dev_loss"), dev_.size()};
      log_(name + ": resumed from its checkpoint");
    } else {
      at::manual_seed(options_.seed + rows.size());
      action(module);
      row.held_out = evaluate(module, split_.held_out, split_.held_out_long);
      row.dev = evaluate(module, dev_);
      store_.save_module(file, module, notes_of(row.held_out, row.dev));
    }
    char line[200];
    std::snprintf(line, sizeof line, "%s: held-out %.2f %% (long %.2f %%), dev %.2f %%", name.c_str(),
                  row.held_out.accuracy, row.held_out.accuracy_long, row.dev.accuracy);
    log_(line);
    rows.push_back(row);
  }

  void fine_tune(EncoderModule& m, const std::string& name, const Loss& task, int epochs, double rate_scale,
                 bool all_rows) {
    TrainOptions t;
    t.name = name;
    t.epochs = epochs;
    t.batch_size = options_.batch_size;
    t.learning_rate = options_.learning_rate * rate_scale;
    t.embedding_rate = options_.embedding_rate * rate_scale;
    t.length_power = options_.length_power;
    t.seed = options_.seed + 17 * (rows.size() + 1);
    t.max_steps = options_.max_steps;
    t.forward.dropout = options_.dropout;
    t.forward.word_dropout = options_.word_dropout;
    t.forward.cls_only_last = !all_rows;
    train(
        m, split_, t, with_ranges(task, m, options_), [](const std::string& n) { return !is_estimation(n); }, log_);
  }

  EncoderModule module;
  std::vector<StageRow> rows;

 private:
  const Split& split_;
  const DataSet& dev_;
  CheckpointStore store_;
  const Log& log_;
  const WorkflowOptions& options_;
};

DataSet sample(const DataSet& data, std::size_t count) {
  DataSet out;
  const std::size_t stride = std::max<std::size_t>(1, data.size() / std::max<std::size_t>(1, count));
  for (std::size_t i = 0; i < data.size(); i += stride) out.push_back(data[i]);
  return out;
}

}  // namespace

std::string WorkflowOptions::describe() const {
  char b[400];
  std::snprintf(b, sizeof b, "%d %d %d %g %g %zu %g %g %g %g %g %g %g %g %g %d %llu %ld", epochs, norm_epochs,
                final_epochs, learning_rate, embedding_rate, batch_size, hard, temperature, dropout, word_dropout,
                length_power, score_limit, ffn_limit, hidden_limit, range_weight, estimation_steps,
                static_cast<unsigned long long>(seed), max_steps);
  return b;
}

WorkflowResult run_workflow(const EncoderModule& plain, Tensor teacher_logits, const Split& split, const DataSet& dev,
                            int max_length, const WorkflowOptions& o, const CheckpointStore& store, const Log& log) {
  const Loss task = distillation_loss(teacher_logits, o.hard, o.temperature);
  const DataSet some = sample(split.train, 6000);
  Runner run(plain.clone(), split, dev, store.with(o.describe()), log, o);
  run.stage("plain", "the model as given", [](EncoderModule&) {});
  run.stage("no-pooler", "pooler dropped, fine-tuned", [&](EncoderModule& m) {
    m.config.pooler = false;
    m.params.erase("pooler.dense.weight");
    m.params.erase("pooler.dense.bias");
    run.fine_tune(m, "no-pooler", task, o.epochs, 1, false);
  });
  run.stage("relu", "GELU -> ReLU, fine-tuned", [&](EncoderModule& m) {
    m.config.activation = bert::Activation::relu;
    run.fine_tune(m, "relu", task, o.epochs, 1, false);
  });
  EstimationOptions e;
  e.seed = o.seed;
  e.max_length = max_length;
  e.steps = o.estimation_steps;
  {
    const auto q = sum_quantiles(run.module, some, {0.002, 0.998});
    const double per_token = q[1] / std::max(1.0, mean_length(some));
    e.min_sum = std::clamp(q[0] / 2, 0.5, 4.0);
    e.max_sum = std::clamp(per_token * max_length, 500.0, 4000.0);
    e.max_pre = 50;
  }
  std::pair<Parameters, EstimationReport> t = fit_estimation(e);
  {
    char line[240];
    std::snprintf(line, sizeof line,
                  "T fitted for sums %.3g..%.4g: MSE to softmax %.2e (exact reciprocal: %.2e), T's own part %.2e, "
                  "worst relative %.3f",
                  e.min_sum, e.max_sum, t.second.mse_true_softmax, t.second.mse_exact_reciprocal,
                  t.second.mse_reciprocal_part, t.second.worst_relative);
    log(line);
  }
  run.stage("softmax-estimation", "softmax -> c*T(sum c), not fine-tuned",
            [&](EncoderModule& m) { set_estimation(m, t.first); });
  run.stage("fine-tuned", "fine-tuned, true LayerNorm, T frozen",
            [&](EncoderModule& m) { run.fine_tune(m, "fine-tuned", task, o.epochs, 1, false); });
  const EncoderModule before_norms = run.module.clone();
  std::vector<int> all(before_norms.norms.size());
  std::iota(all.begin(), all.end(), 0);
  run.stage("affine-norm", "LayerNorm -> affine, distilled, not fine-tuned (end of the paper's workflow)",
            [&](EncoderModule& m) {
              fit_affine_norms(m, split.train, all);
              for (NormMode& mode : m.norms) mode = NormMode::affine;
            });
  // Beyond the paper: from the model with true norms, one norm at a time, each followed by fine-tuning.
  run.module = before_norms;
  for (int i : all) {
    run.stage("affine-norm-" + std::to_string(i), "ours: norm " + std::to_string(i) + " affine, fine-tuned",
              [&](EncoderModule& m) {
                fit_affine_norms(m, some, {i});
                m.norms[static_cast<std::size_t>(i)] = NormMode::affine;
                run.fine_tune(m, "affine-norm-" + std::to_string(i), task, o.norm_epochs, 0.75, true);
              });
  }
  run.stage("final", "ours: fine-tuned",
            [&](EncoderModule& m) { run.fine_tune(m, "final", task, o.final_epochs, 0.75, true); });
  run.stage("half-precision", "parameters rounded to 16 bits", [](EncoderModule& m) {
    for (auto& [name, value] : m.params) value = value.to(torch::kFloat16).to(torch::kFloat32);
  });
  DataSet calibration = some;
  const DataSet joined = join_to_length(split.train, 300, static_cast<std::size_t>(max_length), o.seed);
  calibration.insert(calibration.end(), joined.begin(), joined.end());
  const Ranges ranges = measure_ranges(run.module, calibration);
  return {run.module, run.rows, e, t.second, ranges};
}

}  // namespace thex::approx
