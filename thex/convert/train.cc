#include "thex/convert/train.h"

#include <ATen/Context.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <new>
#include <utility>

#include "thex/base/clock.h"
#include "thex/base/error.h"
#include "thex/convert/adam.h"
#include "thex/convert/workers.h"

namespace thex::convert {
namespace {

using torch::Tensor;
constexpr int kMostRestarts = 4;  // of one training
constexpr const char* kWords = "embeddings.word_embeddings.weight";

std::string format(const char* pattern, auto... values) {
  char buffer[256];
  std::snprintf(buffer, sizeof buffer, pattern, values...);
  return buffer;
}

double rate_factor(long step, long total, double warmup) {
  const double t = static_cast<double>(step + 1) / static_cast<double>(total + 1);
  return t < warmup ? t / warmup : (1 - t) / (1 - warmup);
}

std::string duration(double seconds) {
  return seconds < 90     ? format("%.0f s", seconds)
         : seconds < 5400 ? format("%.0f min", seconds / 60)
                          : format("%.1f h", seconds / 3600);
}

class Training {
 public:
  Training(EncoderModule& module, const TaskData& data, const TrainOptions& options, const Loss& loss,
           const std::function<bool(const std::string&)>& trainable, const Log& log)
      : module_(module),
        data_(data),
        o_(options),
        loss_(loss),
        log_(log),
        words_(options.embedding_rate > 0),
        adam_({.weight_decay = options.weight_decay, .clip = options.clip}, options.inputs),
        mean_(mean_length(data.split.train)) {
    for (auto& [name, value] : module_.params) {
      value = value.detach();
      if (name == kWords || !trainable(name)) continue;
      value.set_requires_grad(true);
      moving_[name] = value;
    }
    parts_ = o_.forward.dropout > 0 || o_.forward.word_dropout > 0 ? 1 : workers(module_.device);
    if (parts_ > 1) replicas_.assign(parts_, module_);
    for (EncoderModule& replica : replicas_)
      for (const auto& [name, value] : moving_) replica.params.at(name) = value.detach().set_requires_grad(true);
    per_epoch_ = steps_per_epoch(data.split.train.size(), o_.batch_size, o_.epoch_examples);
    total_ = per_epoch_ * o_.epochs;
    if (o_.max_steps > 0) total_ = std::min(total_, o_.max_steps);
  }

  Score run() {
    resume();
    if (o_.start_counts && !o_.keep_last && epoch_ == 0) {
      best_ = evaluate(module_, data_.spec, data_.split.held_out, data_.split.held_out_long);
      best_selection_ = selection(best_);
      keep();
    }
    for (; epoch_ < o_.epochs && step_ < total_ && !done_; ++epoch_) {
      remember();
      restarts_ = 0;
      while (!one_epoch()) go_back();
      judge();
      const bool last = epoch_ + 1 >= o_.epochs || step_ >= total_ || done_;
      if (o_.store != nullptr && !last && seconds_since(saved_at_) >= o_.checkpoint_seconds) save();
    }
    for (auto& [name, value] : module_.params) value = value.detach();
    for (auto& [name, value] : kept_) module_.params[name] = value;
    if (o_.curve != nullptr) *o_.curve = curve_;
    return best_;
  }

 private:
  // What one thread does of a step.
  struct Part {
    std::vector<std::size_t> indices;
    double share = 1;  // of the batch
    double loss = 0;   // times share
    Tensor rows, row_gradient;

    void pass(const EncoderModule& module, const DataSet& examples, const Training& t) {
      Batch batch = collate(examples, indices, module.device, t.o_.length_power, t.mean_);
      if (t.o_.wanted) batch.wanted = t.o_.wanted(batch);
      ForwardOptions forward = t.o_.forward;
      forward.train = true;
      forward.word_gradients = t.words_;
      const Output out = module.forward(batch, forward);
      const Tensor value = t.loss_(out, batch) * share;
      loss = value.item<double>();
      if (!std::isfinite(loss)) return;
      value.backward();
      if (!t.words_) return;
      rows = batch.unique;
      row_gradient = out.word_rows.grad();
    }
  };

  // Every so many of a batch, which is sorted by length.
  std::vector<Part> parts_of(const std::vector<std::size_t>& indices) const {
    std::vector<Part> parts(std::min(parts_, indices.size()));
    for (std::size_t i = 0; i < indices.size(); ++i) parts[i % parts.size()].indices.push_back(indices[i]);
    for (Part& part : parts)
      part.share = static_cast<double>(part.indices.size()) / static_cast<double>(indices.size());
    return parts;
  }

  // Those of all replicas, in one order whatever thread was first, as the module's.
  void add_gradients(std::size_t parts) {
    if (replicas_.empty()) return;
    for (auto& [name, value] : moving_)
      for (std::size_t i = 0; i < parts; ++i) {
        Tensor& of_part = replicas_[i].params.at(name).mutable_grad();
        if (!of_part.defined()) continue;
        Tensor& gradient = value.mutable_grad();
        gradient = gradient.defined() ? gradient.add_(of_part) : of_part;
        of_part.reset();
      }
  }

  // Of the word table: its rows in the batch, each once, and their gradients.
  std::pair<Tensor, Tensor> row_gradients(const std::vector<Part>& parts) const {
    std::vector<Tensor> rows, gradients;
    for (const Part& part : parts)
      if (part.row_gradient.defined()) rows.push_back(part.rows), gradients.push_back(part.row_gradient);
    if (rows.empty()) return {};
    if (rows.size() == 1) return {rows[0], gradients[0]};
    const auto [distinct, place] = at::_unique(at::cat(rows), true, true);
    const Tensor all = at::cat(gradients);
    return {distinct, at::zeros({distinct.size(0), all.size(1)}, all.options()).index_add_(0, place, all)};
  }

  // The state before an epoch.
  void remember() {
    begin_.values.clear();
    for (const auto& [name, value] : moving_) begin_.values[name] = value.detach().clone();
    if (words_) begin_.values[kWords] = module_.params.at(kWords).clone();
    begin_.adam = adam_.state().clone();
    begin_.step = step_;
  }

  void go_back() {
    if (all_restarts_ == kMostRestarts)
      throw Diverged("training '" + o_.name + "' diverged at step " + std::to_string(step_) + ", at a rate lowered " +
                     std::to_string(kMostRestarts) + " times: its loss is no finite number; lower " + o_.rate_option +
                     " (now " + note_text(o_.learning_rate) + ")");
    ++restarts_, ++all_restarts_;
    log_(format("%s: diverged at step %ld, its loss is no finite number: epoch %d begins again at half the rate",
                o_.name.c_str(), step_, epoch_ + 1));
    for (auto& [name, value] : moving_) value.mutable_grad().reset();
    at::NoGradGuard no_grad;
    for (const auto& [name, value] : begin_.values) module_.params.at(name).copy_(value);
    adam_.restore(begin_.adam.clone());
    step_ = begin_.step;
  }

  // Whether all went well: else the loss or a gradient was no finite number.
  bool one_epoch() {
    at::manual_seed(o_.seed * 1000003 + static_cast<std::uint64_t>(epoch_));
    double sum = 0, all = 0;
    long count = 0, steps = 0;
    const DataSet drawn = o_.examples ? o_.examples(epoch_, module_) : DataSet();
    const DataSet& examples = o_.examples ? drawn : data_.split.train;
    for (const auto& indices : shuffled_batches(examples, o_.batch_size, o_.seed, epoch_)) {
      if (step_ >= total_ || steps == per_epoch_) break;
      if (o_.before_step) o_.before_step(static_cast<double>(step_) / static_cast<double>(total_));
      std::vector<Part> parts = parts_of(indices);
      in_parallel(parts.size(), module_.device,
                  [&](std::size_t i) { parts[i].pass(replicas_.empty() ? module_ : replicas_[i], examples, *this); });
      double v = 0;
      for (const Part& part : parts) v += part.loss;
      add_gradients(parts.size());
      const double factor = std::ldexp(rate_factor(step_, total_, o_.warmup), -all_restarts_);
      const auto [rows, row_gradient] = row_gradients(parts);
      if (!std::isfinite(v) || !adam_.step(moving_, o_.learning_rate * factor, module_.params.at(kWords), row_gradient,
                                           rows, words_ ? o_.embedding_rate * factor : 0))
        return false;
      if (o_.after_step) o_.after_step(module_);
      sum += v, all += v;
      ++count, ++steps;
      ++step_;
      ++steps_here_;
      if (seconds_since(told_at_) > 10) {
        const double rate = static_cast<double>(steps_here_) / seconds_since(start_);
        log_(format("%s: step %ld of %ld, loss %.4f, %.2f steps/s, %s left", o_.name.c_str(), step_, total_,
                    sum / static_cast<double>(count), rate,
                    duration(static_cast<double>(total_ - step_) / rate).c_str()));
        sum = 0;
        count = 0;
        told_at_ = Clock::now();
      }
    }
    mean_loss_ = steps > 0 ? all / static_cast<double>(steps) : 0;
    return true;
  }

  void judge() {
    const Score score = evaluate(module_, data_.spec, data_.split.held_out, data_.split.held_out_long);
    curve_.push_back({epoch_ + 1, mean_loss_, score.metric, restarts_});
    const bool with_long = data_.split.held_out_long > 1;
    log_(format("%s: epoch %d of %d, held-out %s %.2f%s, loss %.4f", o_.name.c_str(), epoch_ + 1, o_.epochs,
                data::name(data_.spec.metrics.front()), score.metric,
                with_long ? format(" (long %.2f)", score.metric_long).c_str() : "", score.loss));
    if (o_.keep_last || selection(score) > best_selection_) {
      best_ = score;
      best_selection_ = selection(score);
      stale_ = 0;
      if (!o_.keep_last) keep();
    } else if (++stale_ >= o_.patience && o_.patience > 0) {
      log_(format("%s: no better for %d epochs, ends after %d of %d", o_.name.c_str(), stale_, epoch_ + 1, o_.epochs));
      done_ = true;
    }
  }

  void keep() {
    kept_.clear();
    for (const auto& [name, value] : module_.params)
      if (moving_.count(name) || (words_ && name == kWords)) kept_[name] = value.detach().clone();
  }

  void save() {
    Parameters tensors;
    for (const auto& [name, value] : moving_) tensors["now." + name] = value.detach();
    if (words_) tensors[std::string("now.") + kWords] = module_.params.at(kWords);
    for (const auto& [name, value] : kept_) tensors["best." + name] = value;
    const AdamState adam = adam_.state();
    for (const auto& [name, value] : adam.m) tensors["m." + name] = value;
    for (const auto& [name, value] : adam.v) tensors["v." + name] = value;
    std::map<std::string, std::string> notes = {{"epochs", std::to_string(epoch_ + 1)},
                                                {"step", std::to_string(step_)},
                                                {"stale", std::to_string(stale_)},
                                                {"metric", note_text(best_.metric)},
                                                {"metric_long", note_text(best_.metric_long)},
                                                {"loss", note_text(best_.loss)},
                                                {"count", std::to_string(best_.count)},
                                                {"curve", curve_text(curve_)}};
    for (const auto& [name, value] : best_.metrics) notes["metric." + name] = note_text(value);
    o_.store->save_tensors(training_state_name(o_.name), tensors, notes);
    saved_at_ = Clock::now();
  }

  void resume() {
    if (o_.store == nullptr) return;
    const auto saved = o_.store->load_tensors(training_state_name(o_.name));
    if (!saved) return;
    AdamState adam;
    auto damaged = [&](const std::string& what) {
      return Error(ErrorCode::model, "damaged checkpoint '" + training_state_name(o_.name) + "' in '" +
                                         o_.store->folder().string() + "' (" + what + "): delete it");
    };
    auto number = [&](const char* key) { return note_number(saved->notes, key); };
    for (const auto& [name, value] : saved->tensors) {
      const auto dot = name.find('.');
      const std::string kind = name.substr(0, dot);
      const std::string rest = dot == std::string::npos ? "" : name.substr(dot + 1);
      const auto it = module_.params.find(rest == "table" ? kWords : rest);
      if (it == module_.params.end() || it->second.sizes() != value.sizes()) throw damaged(name);
      if (kind == "now") {
        at::NoGradGuard no_grad;
        it->second.copy_(value);
      } else if (kind == "best") {
        kept_[rest] = value.to(module_.device);
      } else if (kind == "m" || kind == "v") {
        (kind == "m" ? adam.m : adam.v)[rest] = value.to(module_.device);
      } else {
        throw damaged(name);
      }
    }
    for (const auto& [name, value] : adam.m)
      if (!adam.v.count(name)) throw damaged("v." + name);
    for (const auto& [name, value] : moving_)
      if (!saved->tensors.count("now." + name)) throw damaged("now." + name);
    epoch_ = static_cast<int>(number("epochs"));
    step_ = adam.steps = static_cast<long>(number("step"));
    stale_ = static_cast<int>(number("stale"));
    best_.metric = number("metric"), best_.metric_long = number("metric_long"), best_.loss = number("loss");
    best_.count = static_cast<std::size_t>(number("count"));
    for (const auto& [key, value] : saved->notes)
      if (key.rfind("metric.", 0) == 0) best_.metrics[key.substr(7)] = number(key.c_str());
    best_selection_ = selection(best_);
    if (const auto curve = saved->notes.find("curve"); curve != saved->notes.end()) curve_ = curve_from(curve->second);
    for (const EpochPoint& p : curve_) all_restarts_ += p.restarts;
    adam_.restore(adam);
    log_(format("%s: resumed after epoch %d of %d", o_.name.c_str(), epoch_, o_.epochs));
  }

  EncoderModule& module_;
  const TaskData& data_;
  const TrainOptions& o_;
  const Loss& loss_;
  const Log& log_;
  const bool words_;
  Adam adam_;
  const double mean_;
  Parameters moving_, kept_;
  struct {
    Parameters values;
    AdamState adam;
    long step = 0;
  } begin_;
  std::size_t parts_ = 1;
  std::vector<EncoderModule> replicas_;  // share the module's values, have gradients of their own
  long per_epoch_ = 0, total_ = 0, step_ = 0, steps_here_ = 0;
  int epoch_ = 0, stale_ = 0, restarts_ = 0, all_restarts_ = 0;
  bool done_ = false;
  double mean_loss_ = 0;
  Curve curve_;
  Score best_;
  double best_selection_ = -1e300;
  const Time start_ = Clock::now();
  Time saved_at_ = start_, told_at_ = start_;
};

}  // namespace

std::string curve_text(const Curve& curve) {
  std::string out;
  for (const EpochPoint& p : curve)
    out += std::to_string(p.epoch) + "," + note_text(p.loss) + "," + note_text(p.held_out) + "," +
           std::to_string(p.restarts) + ";";
  return out;
}

Curve curve_from(const std::string& text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto damaged = [&] {
    return Error(ErrorCode::model, "a damaged checkpoint has the curve \"" + text + "\": delete the checkpoints");
  };
  const auto number = [&](char after) {
    double value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc{} || next == end || *next != after) throw damaged();
    at = next + 1;
    return value;
  };
  const auto count = [&](char after) {
    const double value = number(after);
    if (!(value >= 0 && value < 1e9)) throw damaged();
    return static_cast<int>(value);
  };
  Curve out;
  while (at != end) {
    EpochPoint p;
    p.epoch = count(',');
    p.loss = number(',');
    p.held_out = number(',');
    p.restarts = count(';');
    out.push_back(p);
  }
  return out;
}

std::string training_state_name(const std::string& training) { return "epoch-of-" + training; }

long steps_per_epoch(std::size_t examples, std::size_t batch_size, std::size_t epoch_examples) {
  if (epoch_examples > 0) examples = std::min(examples, epoch_examples);
  return static_cast<long>((examples + batch_size - 1) / batch_size);
}

int epochs_for(std::size_t examples, std::size_t batch_size, long steps, int at_least, std::size_t epoch_examples) {
  const long per_epoch = std::max(1L, steps_per_epoch(examples, batch_size, epoch_examples));
  return static_cast<int>(std::max<long>(at_least, (steps + per_epoch - 1) / per_epoch));
}

Score train(EncoderModule& module, const TaskData& data, const TrainOptions& o, const Loss& loss,
            const std::function<bool(const std::string&)>& trainable, const Log& log) {
  auto out_of_memory = [&] {
    return Error(ErrorCode::usage, "training '" + o.name + "' ran out of memory at " + std::to_string(o.batch_size) +
                                       " examples of up to " + std::to_string(data.max_length) +
                                       " tokens a batch: lower --batch or --max-length; checkpoints written so far "
                                       "are kept and used by the next run");
  };
  try {
    return Training(module, data, o, loss, trainable, log).run();
  } catch (const std::bad_alloc&) {
    throw out_of_memory();
  } catch (const c10::Error& e) {  // libtorch's allocators say it in words
    if (std::string(e.what_without_backtrace()).find("memory") != std::string::npos) throw out_of_memory();
    throw Error(ErrorCode::internal, "training '" + o.name + "': " + e.what_without_backtrace());
  }
}

}  // namespace thex::convert
