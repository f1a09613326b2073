#include "thex/client/batches.h"

#include <algorithm>

namespace thex::client {
namespace {

// What queries of one length bucket hold and cost.
struct Bucket {
  std::size_t places = 1;  // of its batch
  double single = 0, batch = 0;

  // The least that up to `places` sentences cost.
  double cost(std::size_t sentences) const {
    const double alone = static_cast<double>(sentences) * single;
    return sentences > 1 ? std::min(alone, batch) : alone;
  }
};

std::vector<Bucket> buckets_of(const encoder::InferencePlan& plan) {
  std::vector<Bucket> buckets(plan.bucket_count());
  for (std::size_t i = 0; i < plan.shapes.size(); ++i) {
    const double seconds = plan.circuits.program_plans[i].estimated_seconds;
    if (i < buckets.size()) {
      buckets[i].single = seconds;
      continue;
    }
    Bucket& bucket = buckets[plan.program_for(plan.shapes[i].tokens)];
    bucket.places = static_cast<std::size_t>(plan.shapes[i].sentences);
    bucket.batch = seconds;
  }
  return buckets;
}

}  // namespace

std::vector<std::vector<std::size_t>> make_batches(const encoder::InferencePlan& plan, std::span<const int> lengths) {
  const std::vector<Bucket> buckets = buckets_of(plan);
  std::vector<std::vector<std::size_t>> waiting(buckets.size()), queries;
  for (std::size_t i = 0; i < lengths.size(); ++i) waiting[plan.program_for(lengths[i])].push_back(i);
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    const Bucket& bucket = buckets[b];
    const std::vector<std::size_t>& list = waiting[b];
    std::size_t from = 0;
    for (; list.size() - from >= bucket.places && from < list.size(); from += bucket.places)
      queries.emplace_back(list.begin() + static_cast<std::ptrdiff_t>(from),
                           list.begin() + static_cast<std::ptrdiff_t>(from + bucket.places));
    const std::vector<std::size_t> left(list.begin() + static_cast<std::ptrdiff_t>(from), list.end());
    if (left.empty()) continue;
    if (b + 1 < buckets.size()) {
      const Bucket& next = buckets[b + 1];
      const std::size_t there = waiting[b + 1].size() % next.places;
      if (there > 0 && there + left.size() <= next.places &&
          next.cost(there + left.size()) - next.cost(there) < bucket.cost(left.size())) {
        waiting[b + 1].insert(waiting[b + 1].end(), left.begin(), left.end());
        continue;
      }
    }
    if (left.size() > 1 && bucket.batch < static_cast<double>(left.size()) * bucket.single) {
      queries.push_back(left);
    } else {
      for (const std::size_t i : left) queries.push_back({i});
    }
  }
  return queries;
}

}  // namespace thex::client
