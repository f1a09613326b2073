#include "thex/convert/text_mixture.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "thex/base/error.h"

namespace thex::convert {
namespace {

constexpr std::size_t kLongestCrop = 8;
constexpr std::uint64_t kFullOfJoined = 3;  // one in so many is as long as any, or no text had the last positions

double uniform(std::mt19937_64& rng) { return static_cast<double>(rng() >> 11) * 0x1p-53; }

// Number `count * epoch` and the next `count` of a stream that goes through `from` again and again, each time in
// another order.
void append_stream(DataSet& out, const DataSet& from, std::size_t count, std::uint64_t seed, int epoch) {
  std::vector<std::size_t> order(from.size());
  std::size_t turn = std::numeric_limits<std::size_t>::max();
  const std::size_t begin = count * static_cast<std::size_t>(epoch);
  for (std::size_t k = begin; k < begin + count; ++k) {
    if (k / from.size() != turn) {
      turn = k / from.size();
      std::mt19937_64 rng(seed * 1000003 + turn);
      std::iota(order.begin(), order.end(), std::size_t{0});
      for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng() % i]);
    }
    out.push_back(from[order[k % from.size()]]);
  }
}

}  // namespace

TextMixture::TextMixture(const DataSet& task, const DataSet& others, std::vector<std::int64_t> words,
                         TextMixtureOptions options)
    : task_(task), others_(others), words_(std::move(words)), o_(options) {
  if (task.empty()) throw Error(ErrorCode::input, "no texts to learn from");
}

Sentence TextMixture::vary(Sentence s, double joined, std::mt19937_64& rng) const {
  s.text.clear();
  s.label = -1;
  s.value = std::numeric_limits<double>::quiet_NaN();
  s.tags.clear();
  const std::int64_t begin = s.ids.front(), end = s.ids.back();  // [CLS] and [SEP]
  const bool single = s.first.empty() && s.types.back() == 0 && std::ranges::count(s.ids, end) == 1;
  const std::size_t inner = s.ids.size() - 2;
  if (s.ids.size() < o_.longest && uniform(rng) < joined) {
    const std::size_t more = rng() % (o_.longest - s.ids.size()) + 1;
    join(s, task_, rng() % kFullOfJoined == 0 ? o_.longest : s.ids.size() + more, rng);
    s.text.clear();
    return s;
  }
  if (single && inner > 2 && uniform(rng) < o_.cropped) {
    const std::size_t length = 1 + rng() % std::min(kLongestCrop, inner), at = 1 + rng() % (inner - length + 1);
    const auto from = s.ids.begin() + static_cast<std::ptrdiff_t>(at);
    std::vector<std::int64_t> ids{begin};
    ids.insert(ids.end(), from, from + static_cast<std::ptrdiff_t>(length));
    ids.push_back(end);
    s.ids = std::move(ids);
    s.types.assign(s.ids.size(), 0);
    return s;
  }
  const double replaced = std::vector<double>{0.1, 0.2, 0.4}[rng() % 3];
  for (std::int64_t& id : s.ids) {
    if (id == begin || id == end || uniform(rng) >= replaced) continue;
    // Mostly words as the data have them, some as rare as any.
    if (uniform(rng) < 0.7 || words_.empty()) {
      const Sentence& other = task_[rng() % task_.size()];
      const std::int64_t word = other.ids[rng() % other.ids.size()];
      if (word != begin && word != end) id = word;
    } else {
      id = words_[rng() % words_.size()];
    }
  }
  return s;
}

DataSet TextMixture::epoch(int epoch, const Distance& distance) const {
  const auto part = [&](double share) { return static_cast<std::size_t>(share * static_cast<double>(o_.count)); };
  const std::size_t varied = part(o_.varied), hard = distance ? part(o_.hard) : 0,
                    others = others_.empty() ? 0 : part(o_.others);
  DataSet out;
  out.reserve(o_.count);
  append_stream(out, task_, o_.count - varied - hard - others, o_.seed, epoch);
  if (others > 0) append_stream(out, others_, others, o_.seed + 1, epoch);
  std::mt19937_64 rng((o_.seed + 2) * 1000003 + static_cast<std::uint64_t>(epoch));
  const auto variant = [&](double joined) {
    const DataSet& from = !others_.empty() && uniform(rng) < 0.5 ? others_ : task_;
    return vary(from[rng() % from.size()], joined, rng);
  };
  for (std::size_t i = 0; i < varied; ++i) out.push_back(variant(0));
  if (hard == 0) return out;
  DataSet candidates;
  const auto wanted = static_cast<std::size_t>(static_cast<double>(hard) / o_.kept);
  for (std::size_t i = 0; i < std::max(hard, wanted); ++i) candidates.push_back(variant(o_.joined));
  const std::vector<double> distances = distance(candidates);
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return distances[a] > distances[b]; });
  for (std::size_t i = 0; i < hard; ++i) out.push_back(std::move(candidates[order[i]]));
  return out;
}

}  // namespace thex::convert
