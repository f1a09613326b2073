#include "thex/convert/score.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <mutex>
#include <random>
#include <span>

#include "thex/base/clock.h"
#include "thex/base/error.h"
#include "thex/convert/workers.h"

namespace thex::convert {

using torch::Tensor;

double selection(const Score& s) { return (s.metric + s.metric_long) / 2 - 1e-3 * s.loss; }

Tensor predict(const EncoderModule& module, const DataSet& data, const Log& log) {
  at::NoGradGuard no_grad;
  const bool words = by_token(module.config.task);
  const std::vector<std::int64_t> offsets = words ? word_offsets(data) : std::vector<std::int64_t>{};
  const std::int64_t rows = words ? offsets.back() : static_cast<std::int64_t>(data.size());
  Tensor out = at::zeros({rows, static_cast<std::int64_t>(module.config.labels.size())});
  const auto batches = sorted_batches(data, 64);
  std::mutex mutex;
  std::size_t done = 0;
  Time told = Clock::now();
  in_parallel(batches.size(), module.device, [&](std::size_t i) {
    const Batch batch = collate(data, batches[i], module.device);
    if (words && !batch.first.defined()) return;  // no word in any of these examples
    const Tensor logits = module.forward(batch, {}).logits.to(torch::kCPU);
    const std::lock_guard lock(mutex);
    out.index_copy_(0, words ? word_rows(offsets, batch) : batch.index.to(torch::kCPU), logits);
    ++done;
    if (!log || seconds_since(told) < 10) return;
    log("predictions: batch " + std::to_string(done) + " of " + std::to_string(batches.size()));
    told = Clock::now();
  });
  return out;
}

namespace {

int outside_label(const std::vector<std::string>& labels) {
  const auto at = std::find(labels.begin(), labels.end(), "O");
  return at == labels.end() ? 0 : static_cast<int>(at - labels.begin());
}

std::vector<int> argmax_rows(const Tensor& table) {
  const Tensor best = table.argmax(-1).contiguous();
  const std::int64_t* p = best.data_ptr<std::int64_t>();
  return {p, p + best.numel()};
}

// The mean cross-entropy or squared error of everything that has a label.
double mean_loss(const data::TaskSpec& spec, const DataSet& data, const Tensor& table) {
  double total = 0, n = 0;
  const Tensor log_p =
      spec.kind == model::Task::regression ? table.contiguous() : at::log_softmax(table, -1).contiguous();
  const float* p = log_p.data_ptr<float>();
  const std::int64_t width = log_p.size(1);
  std::int64_t row = 0;
  for (const Sentence& s : data) {
    if (spec.kind == model::Task::token_classification) {
      for (std::size_t w = 0; w < s.first.size(); ++w, ++row)
        if (const std::size_t k = s.word_of(w); k < s.tags.size())
          total -= static_cast<double>(p[row * width + s.tags[k]]), ++n;
      continue;
    }
    if (spec.kind == model::Task::regression && std::isfinite(s.value)) {
      total += (static_cast<double>(p[row]) - s.value) * (static_cast<double>(p[row]) - s.value), ++n;
    } else if (spec.kind == model::Task::classification && s.label >= 0) {
      total -= static_cast<double>(p[row * width + s.label]), ++n;
    }
    ++row;
  }
  return n > 0 ? total / n : 0;
}

// The outcomes of the first `n` examples.
data::Outcomes beginning(const data::Outcomes& all, std::size_t n) {
  data::Outcomes part;
  auto take = [&](auto& into, const auto& from) {
    into.assign(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(std::min(n, from.size())));
  };
  take(part.predicted, all.predicted), take(part.gold, all.gold);
  take(part.predicted_value, all.predicted_value), take(part.gold_value, all.gold_value);
  take(part.predicted_tags, all.predicted_tags), take(part.gold_tags, all.gold_tags);
  return part;
}

// What is no number becomes the mean of the others: a text that a polynomial model has lost, early in its training
// perhaps, says nothing of its value, and is no reason to end.
void replace_lost(std::vector<double>& predicted) {
  double sum = 0, count = 0;
  for (const double value : predicted)
    if (std::isfinite(value)) sum += value, ++count;
  for (double& value : predicted)
    if (!std::isfinite(value)) value = count > 0 ? sum / count : 0;
}

}  // namespace

data::Outcomes outcomes_of(const data::TaskSpec& spec, const DataSet& data, const Tensor& table) {
  data::Outcomes out;
  if (spec.kind == model::Task::regression) {
    const Tensor values = table.contiguous();
    for (std::size_t i = 0; i < data.size(); ++i) {
      if (!std::isfinite(data[i].value)) continue;
      out.predicted_value.push_back(static_cast<double>(values.data_ptr<float>()[i]));
      out.gold_value.push_back(data[i].value);
    }
    replace_lost(out.predicted_value);
    return out;
  }
  const std::vector<int> best = argmax_rows(table);
  if (spec.kind == model::Task::classification) {
    for (std::size_t i = 0; i < data.size(); ++i) {
      if (data[i].label < 0) continue;
      out.predicted.push_back(best[i]);
      out.gold.push_back(data[i].label);
    }
    return out;
  }
  const int outside = outside_label(spec.labels);
  std::size_t row = 0;
  for (const Sentence& s : data) {
    if (!s.tags.empty()) {
      std::vector<int> tags(s.tags.size(), outside);
      for (std::size_t w = 0; w < s.first.size(); ++w)
        if (s.word_of(w) < tags.size()) tags[s.word_of(w)] = best[row + w];
      out.predicted_tags.push_back(std::move(tags));
      out.gold_tags.push_back(s.tags);
    }
    row += s.first.size();
  }
  return out;
}

namespace {

bool all_equal(const std::vector<int>& values) {
  return std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) == values.end();
}

bool all_equal(const std::vector<std::vector<int>>& rows) {
  std::vector<int> values;
  for (const std::vector<int>& row : rows) values.insert(values.end(), row.begin(), row.end());
  return all_equal(values);
}

bool is_one_answer(const data::Outcomes& o) {
  return (all_equal(o.predicted) && !all_equal(o.gold)) || (all_equal(o.predicted_tags) && !all_equal(o.gold_tags));
}

}  // namespace

Score score_of(const data::TaskSpec& spec, const DataSet& data, const Tensor& table, std::size_t n_long) {
  if (spec.metrics.empty()) throw Error(ErrorCode::usage, "task '" + spec.name + "' has no metric");
  Score score;
  score.count = data.size();
  const data::Outcomes outcomes = outcomes_of(spec, data, table);
  for (const auto& [name, value] : data::scores(spec, outcomes)) score.metrics[name] = 100 * value;
  score.metric = 100 * data::task_score(spec.metrics.front(), outcomes, spec);
  score.metric_long = score.metric;
  if (n_long > 1 && n_long < data.size())
    score.metric_long = 100 * data::task_score(spec.metrics.front(), beginning(outcomes, n_long), spec);
  score.loss = mean_loss(spec, data, table);
  score.one_answer = is_one_answer(outcomes);
  return score;
}

Score evaluate(const EncoderModule& module, const data::TaskSpec& spec, const DataSet& data, std::size_t n_long) {
  return score_of(spec, data, predict(module, data), n_long);
}

namespace {

std::size_t size_of(const data::Outcomes& o) {
  return std::max({o.gold.size(), o.gold_value.size(), o.gold_tags.size()});
}

// The examples of those numbers.
data::Outcomes chosen(const data::Outcomes& all, const std::vector<std::size_t>& numbers) {
  data::Outcomes part;
  for (const std::size_t i : numbers) {
    if (!all.gold.empty()) part.predicted.push_back(all.predicted[i]), part.gold.push_back(all.gold[i]);
    if (!all.gold_value.empty())
      part.predicted_value.push_back(all.predicted_value[i]), part.gold_value.push_back(all.gold_value[i]);
    if (!all.gold_tags.empty())
      part.predicted_tags.push_back(all.predicted_tags[i]), part.gold_tags.push_back(all.gold_tags[i]);
  }
  return part;
}

}  // namespace

double standard_error_of_change(const data::TaskSpec& spec, const data::Outcomes& before, const data::Outcomes& after,
                                int draws, std::uint64_t seed) {
  const std::size_t n = size_of(after);
  if (size_of(before) != n) throw Error(ErrorCode::internal, "outcomes of different examples");
  if (n < 2 || draws < 2) return 0;
  const auto score = [&](const data::Outcomes& o) { return 100 * data::task_score(spec.metrics.front(), o, spec); };
  std::mt19937_64 rng(seed);
  double sum = 0, squares = 0;
  for (int d = 0; d < draws; ++d) {
    std::vector<std::size_t> numbers(n);
    for (std::size_t& i : numbers) i = rng() % n;
    const double change = score(chosen(after, numbers)) - score(chosen(before, numbers));
    sum += change, squares += change * change;
  }
  const double mean = sum / draws;
  return std::sqrt(std::max(0.0, squares / draws - mean * mean) * draws / (draws - 1));
}

double agreement_of(const data::TaskSpec& spec, const data::Outcomes& before, const data::Outcomes& after) {
  if (size_of(before) != size_of(after)) throw Error(ErrorCode::internal, "outcomes of different examples");
  data::Outcomes o = after;
  o.gold = before.predicted, o.gold_value = before.predicted_value, o.gold_tags = before.predicted_tags;
  return 100 * data::task_score(o.gold_value.empty() ? data::Metric::accuracy : data::Metric::pearson, o, spec);
}

std::string score_text(const Score& score) {
  std::string out;
  for (const auto& [name, value] : score.metrics) {
    char text[80];
    std::snprintf(text, sizeof text, "%s%s %.2f", out.empty() ? "" : ", ", name.c_str(), value);
    out += text;
  }
  return out + " of " + std::to_string(score.count);
}

}  // namespace thex::convert
