// The metrics by which tasks are judged, as GLUE and conlleval count them. All in [-1, 1] or [0, 1], not in per cent.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "thex/data/task.h"

namespace thex::data {

// Predictions for a data set and what is right, example by example. Only the pair that the task's kind needs is filled.
struct Outcomes {
  std::vector<int> predicted, gold;                         // classification
  std::vector<double> predicted_value, gold_value;          // regression
  std::vector<std::vector<int>> predicted_tags, gold_tags;  // token classification: one a word
};

// accuracy: of examples or words. f1: of the class `positive` where there are two, else the mean over the classes that
// occur. matthews: the multi-class correlation coefficient, which is the same whichever class is positive. entity_f1:
// spans of equal type and ends, as conlleval counts them, for the tags of any scheme (tags.h); `labels` gives their
// names. A metric whose denominator is zero is 0. Throws Error(usage) when the outcomes lack what the metric needs or
// differ in length.
double score(Metric metric, const Outcomes& outcomes, std::span<const std::string> labels, std::size_t positive = 1);
// The same with the labels and the positive class of a task.
double task_score(Metric metric, const Outcomes& outcomes, const TaskSpec& task);

// All metrics of a task, by name.
std::map<std::string, double> scores(const TaskSpec& task, const Outcomes& outcomes);

}  // namespace thex::data
