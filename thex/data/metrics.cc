#include "thex/data/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <tuple>

#include "thex/base/error.h"

namespace thex::data {
namespace {

template <typename T>
void check_sizes(Metric metric, const std::vector<T>& predicted, const std::vector<T>& gold) {
  if (predicted.size() == gold.size() && !gold.empty()) return;
  throw Error(ErrorCode::usage, std::string(name(metric)) + " of " + std::to_string(predicted.size()) +
                                    " predictions for " + std::to_string(gold.size()) + " examples");
}

double ratio(double numerator, double denominator) { return denominator == 0 ? 0 : numerator / denominator; }

double accuracy(const std::vector<int>& predicted, const std::vector<int>& gold) {
  std::size_t right = 0;
  for (std::size_t i = 0; i < gold.size(); ++i) right += predicted[i] == gold[i];
  return static_cast<double>(right) / static_cast<double>(gold.size());
}

double f1_of(const std::vector<int>& predicted, const std::vector<int>& gold, int label) {
  double both = 0, either = 0;
  for (std::size_t i = 0; i < gold.size(); ++i) {
    both += predicted[i] == label && gold[i] == label;
    either += (predicted[i] == label) + (gold[i] == label);
  }
  return ratio(2 * both, either);
}

double f1(const std::vector<int>& predicted, const std::vector<int>& gold, std::size_t labels) {
  if (labels == 2) return f1_of(predicted, gold, 1);
  double sum = 0;
  for (std::size_t label = 0; label < labels; ++label) sum += f1_of(predicted, gold, static_cast<int>(label));
  return ratio(sum, static_cast<double>(labels));
}

// The correlation of two indicator matrices (Gorodkin 2004); for two classes Matthews's coefficient.
double matthews(const std::vector<int>& predicted, const std::vector<int>& gold, std::size_t labels) {
  std::vector<double> p(labels, 0), g(labels, 0);
  double right = 0;
  const auto n = static_cast<double>(gold.size());
  for (std::size_t i = 0; i < gold.size(); ++i) {
    right += predicted[i] == gold[i];
    ++p.at(static_cast<std::size_t>(predicted[i]));
    ++g.at(static_cast<std::size_t>(gold[i]));
  }
  double pg = 0, pp = 0, gg = 0;
  for (std::size_t k = 0; k < labels; ++k) {
    pg += p[k] * g[k];
    pp += p[k] * p[k];
    gg += g[k] * g[k];
  }
  return ratio(right * n - pg, std::sqrt((n * n - pp) * (n * n - gg)));
}

double pearson(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  const double mx = std::accumulate(x.begin(), x.end(), 0.0) / n, my = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mx) * (y[i] - my);
    xx += (x[i] - mx) * (x[i] - mx);
    yy += (y[i] - my) * (y[i] - my);
  }
  return ratio(xy, std::sqrt(xx) * std::sqrt(yy));
}

// Ranks from 1; equal values share the mean of theirs.
std::vector<double> ranks(const std::vector<double>& x) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });
  std::vector<double> rank(x.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && x[order[end]] == x[order[begin]]) ++end;
    const double mean = static_cast<double>(begin + 1 + end) / 2;
    for (; begin < end; ++begin) rank[order[begin]] = mean;
  }
  return rank;
}

// A tag's part in an entity: 'B', 'I' or 'O', and the type. A tag of another form is a type of its own.
struct Part {
  char position = 'O';
  std::string type;
};

Part part_of(const std::string& tag) {
  if (tag == "O") return {};
  if (tag.size() > 1 && tag[1] == '-' && (tag[0] == 'B' || tag[0] == 'I')) return {tag[0], tag.substr(2)};
  return {'I', tag};
}

using Entity = std::tuple<std::size_t, std::size_t, std::size_t, std::string>;  // sentence, first, end, type

// As conlleval finds them: an entity goes on with I- of its type, and starts with B- or where another one ends.
std::set<Entity> entities(const std::vector<std::vector<int>>& sentences, std::span<const std::string> labels) {
  std::vector<Part> parts;
  for (const std::string& label : labels) parts.push_back(part_of(label));
  std::set<Entity> found;
  for (std::size_t s = 0; s < sentences.size(); ++s) {
    const std::vector<int>& tags = sentences[s];
    std::size_t first = 0;
    Part open;
    for (std::size_t w = 0; w <= tags.size(); ++w) {
      const Part part = w < tags.size() ? parts.at(static_cast<std::size_t>(tags[w])) : Part{};
      const bool goes_on = part.position == 'I' && open.position != 'O' && open.type == part.type;
      if (!goes_on && open.position != 'O') found.emplace(s, first, w, open.type);
      if (!goes_on) {
        open = part;
        first = w;
      }
    }
  }
  return found;
}

double entity_f1(const Outcomes& o, std::span<const std::string> labels) {
  for (std::size_t s = 0; s < o.gold_tags.size(); ++s) {
    if (o.predicted_tags[s].size() == o.gold_tags[s].size()) continue;
    throw Error(ErrorCode::usage, "entity_f1: sentence " + std::to_string(s) + " has " +
                                      std::to_string(o.gold_tags[s].size()) + " tags and " +
                                      std::to_string(o.predicted_tags[s].size()) + " predictions");
  }
  const std::set<Entity> predicted = entities(o.predicted_tags, labels), gold = entities(o.gold_tags, labels);
  const auto both =
      std::count_if(predicted.begin(), predicted.end(), [&](const Entity& e) { return gold.contains(e); });
  return ratio(2 * static_cast<double>(both), static_cast<double>(predicted.size() + gold.size()));
}

std::vector<int> flat(const std::vector<std::vector<int>>& tags) {
  std::vector<int> all;
  for (const auto& sentence : tags) all.insert(all.end(), sentence.begin(), sentence.end());
  return all;
}

}  // namespace

double score(Metric metric, const Outcomes& o, std::span<const std::string> labels) {
  switch (metric) {
    case Metric::pearson:
    case Metric::spearman:
      check_sizes(metric, o.predicted_value, o.gold_value);
      return metric == Metric::pearson ? pearson(o.predicted_value, o.gold_value)
                                       : pearson(ranks(o.predicted_value), ranks(o.gold_value));
    case Metric::entity_f1:
      check_sizes(metric, o.predicted_tags, o.gold_tags);
      return entity_f1(o, labels);
    default:
      break;
  }
  const bool tokens = o.gold.empty() && !o.gold_tags.empty();
  const std::vector<int> predicted = tokens ? flat(o.predicted_tags) : o.predicted;
  const std::vector<int> gold = tokens ? flat(o.gold_tags) : o.gold;
  check_sizes(metric, predicted, gold);
  if (metric == Metric::accuracy) return accuracy(predicted, gold);
  return metric == Metric::f1 ? f1(predicted, gold, labels.size()) : matthews(predicted, gold, labels.size());
}

std::map<std::string, double> scores(const TaskSpec& task, const Outcomes& outcomes) {
  std::map<std::string, double> all;
  for (const Metric metric : task.metrics) all[name(metric)] = score(metric, outcomes, task.labels);
  return all;
}

}  // namespace thex::data
