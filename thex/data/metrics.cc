#include "thex/data/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "thex/base/error.h"
#include "thex/data/labels.h"
#include "thex/data/tags.h"

namespace thex::data {
namespace {

double ratio(double numerator, double denominator) { return denominator > 0 ? numerator / denominator : 0; }

double f1_of(double right, double predicted, double gold) { return ratio(2 * right, predicted + gold); }

template <typename T>
void check_lengths(const std::vector<T>& predicted, const std::vector<T>& gold, const char* what) {
  if (predicted.size() != gold.size() || gold.empty()) {
    throw Error(ErrorCode::usage, std::string("a metric of ") + what + " needs one prediction for each example, not " +
                                      std::to_string(predicted.size()) + " for " + std::to_string(gold.size()));
  }
}

// How often each class was predicted, is right, and both.
struct Counts {
  std::vector<double> predicted, gold, both;
  double total = 0;

  explicit Counts(std::size_t labels) : predicted(labels), gold(labels), both(labels) {}
  void add(int p, int g) {
    const auto n = static_cast<int>(gold.size());
    if (p < 0 || p >= n || g < 0 || g >= n) {
      throw Error(ErrorCode::usage, "class " + std::to_string(p) + " predicted for class " + std::to_string(g) +
                                        ", but the task has " + std::to_string(n) + " labels");
    }
    ++total;
    ++predicted[static_cast<std::size_t>(p)];
    ++gold[static_cast<std::size_t>(g)];
    if (p == g) ++both[static_cast<std::size_t>(g)];
  }
  double correct() const { return std::accumulate(both.begin(), both.end(), 0.0); }
};

void check_sentences(const Outcomes& outcomes) {
  check_lengths(outcomes.predicted_tags, outcomes.gold_tags, "tagged sentences");
  for (std::size_t i = 0; i < outcomes.gold_tags.size(); ++i) {
    if (outcomes.predicted_tags[i].size() != outcomes.gold_tags[i].size()) {
      throw Error(ErrorCode::usage, "sentence " + std::to_string(i) + " has " +
                                        std::to_string(outcomes.gold_tags[i].size()) + " tags, " +
                                        std::to_string(outcomes.predicted_tags[i].size()) + " are predicted");
    }
  }
}

// Of the examples or, for tagged sentences, of their words.
Counts count(const Outcomes& outcomes, std::size_t labels) {
  Counts counts(labels);
  const auto add_all = [&](const std::vector<int>& predicted, const std::vector<int>& gold) {
    for (std::size_t i = 0; i < gold.size(); ++i) counts.add(predicted[i], gold[i]);
  };
  if (!outcomes.gold_tags.empty()) {
    check_sentences(outcomes);
    for (std::size_t i = 0; i < outcomes.gold_tags.size(); ++i)
      add_all(outcomes.predicted_tags[i], outcomes.gold_tags[i]);
  } else {
    check_lengths(outcomes.predicted, outcomes.gold, "classes");
    add_all(outcomes.predicted, outcomes.gold);
  }
  return counts;
}

double f1(const Counts& c, std::size_t positive) {
  if (c.gold.size() == 2) return f1_of(c.both.at(positive), c.predicted[positive], c.gold[positive]);
  double sum = 0, classes = 0;
  for (std::size_t i = 0; i < c.gold.size(); ++i) {
    if (c.predicted[i] + c.gold[i] == 0) continue;
    sum += f1_of(c.both[i], c.predicted[i], c.gold[i]);
    ++classes;
  }
  return ratio(sum, classes);
}

// Gorodkin's correlation coefficient of K classes; Matthews' for two.
double matthews(const Counts& c) {
  double cross = 0, predicted = 0, gold = 0;
  for (std::size_t i = 0; i < c.gold.size(); ++i) {
    cross += c.predicted[i] * c.gold[i];
    predicted += c.predicted[i] * c.predicted[i];
    gold += c.gold[i] * c.gold[i];
  }
  const double square = c.total * c.total;
  return ratio(c.correct() * c.total - cross, std::sqrt(square - predicted) * std::sqrt(square - gold));
}

// By the largest of them, which changes no correlation: squares neither overflow nor vanish.
std::vector<double> scaled(std::vector<double> values) {
  double largest = 0;
  for (const double v : values) largest = std::max(largest, std::abs(v));
  if (largest > 0)
    for (double& v : values) v /= largest;
  return values;
}

double pearson(const std::vector<double>& all_x, const std::vector<double>& all_y) {
  const std::vector<double> x = scaled(all_x), y = scaled(all_y);
  const auto n = static_cast<double>(x.size());
  const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x, dy = y[i] - mean_y;
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  return std::clamp(ratio(xy, std::sqrt(xx) * std::sqrt(yy)), -1.0, 1.0);
}

// Equal values share the mean of their ranks.
std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> out(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i) out[order[i]] = 0.5 * static_cast<double>(begin + end + 1);
    begin = end;
  }
  return out;
}

double correlation(Metric metric, const Outcomes& outcomes) {
  check_lengths(outcomes.predicted_value, outcomes.gold_value, "values");
  for (std::size_t i = 0; i < outcomes.gold_value.size(); ++i) {
    if (!std::isfinite(outcomes.predicted_value[i]) || !std::isfinite(outcomes.gold_value[i])) {
      throw Error(ErrorCode::usage, "value " + std::to_string(outcomes.predicted_value[i]) + " predicted for " +
                                        std::to_string(outcomes.gold_value[i]) + " at example " + std::to_string(i) +
                                        ": a correlation needs finite numbers");
    }
  }
  if (metric == Metric::pearson) return pearson(outcomes.predicted_value, outcomes.gold_value);
  return pearson(ranks(outcomes.predicted_value), ranks(outcomes.gold_value));
}

double entity_f1(const Outcomes& outcomes, std::span<const std::string> labels) {
  check_sentences(outcomes);
  if (const std::vector<std::string> names(labels.begin(), labels.end()); !scheme_of(names))
    throw Error(ErrorCode::usage, "entity_f1 counts entities in tags: " + why_no_scheme(names));
  const auto entities = [&](const std::vector<int>& tags) {
    std::vector<std::string> names;
    for (const int tag : tags) {
      if (tag < 0 || static_cast<std::size_t>(tag) >= labels.size()) {
        throw Error(ErrorCode::usage,
                    "tag " + std::to_string(tag) + ", but the task has " + std::to_string(labels.size()) + " labels");
      }
      names.push_back(labels[static_cast<std::size_t>(tag)]);
    }
    return entities_of(names);
  };
  double predicted = 0, gold = 0, both = 0;
  for (std::size_t i = 0; i < outcomes.gold_tags.size(); ++i) {
    const std::vector<Entity> p = entities(outcomes.predicted_tags[i]), g = entities(outcomes.gold_tags[i]);
    predicted += static_cast<double>(p.size());
    gold += static_cast<double>(g.size());
    for (auto a = p.begin(), b = g.begin(); a != p.end() && b != g.end();) {  // both in order
      both += *a == *b;
      if (a->begin <= b->begin) {
        const bool same = a->begin == b->begin;
        ++a;
        b += same;
      } else {
        ++b;
      }
    }
  }
  return f1_of(both, predicted, gold);
}

}  // namespace

double score(Metric metric, const Outcomes& outcomes, std::span<const std::string> labels, std::size_t positive) {
  switch (metric) {
    case Metric::accuracy: {
      const Counts counts = count(outcomes, labels.size());
      return ratio(counts.correct(), counts.total);
    }
    case Metric::f1:
      return f1(count(outcomes, labels.size()), positive);
    case Metric::matthews:
      return matthews(count(outcomes, labels.size()));
    case Metric::pearson:
    case Metric::spearman:
      return correlation(metric, outcomes);
    case Metric::entity_f1:
      return entity_f1(outcomes, labels);
  }
  throw Error(ErrorCode::usage, "no metric has the number " + std::to_string(static_cast<int>(metric)));
}

double task_score(Metric metric, const Outcomes& outcomes, const TaskSpec& task) {
  return score(metric, outcomes, task.labels, positive_class(task).value_or(1));
}

std::map<std::string, double> scores(const TaskSpec& task, const Outcomes& outcomes) {
  std::map<std::string, double> out;
  for (const Metric metric : task.metrics) out[name(metric)] = task_score(metric, outcomes, task);
  return out;
}

}  // namespace thex::data
