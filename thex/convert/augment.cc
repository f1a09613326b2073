#include "thex/convert/augment.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <random>

#include "thex/base/error.h"

namespace thex::convert {
namespace {

using torch::Tensor;

// For each distinct id of `data` that may be replaced, its nearest others by cosine, [ids, k].
std::vector<std::vector<std::int64_t>> nearest(const DataSet& data, const Tensor& words,
                                               const std::vector<char>& replaceable, int k) {
  std::vector<char> seen(replaceable.size(), 0);
  for (const Sentence& s : data)
    for (std::int64_t id : s.ids) seen[static_cast<std::size_t>(id)] = 1;
  std::vector<std::int64_t> ids;
  for (std::size_t i = 0; i < seen.size(); ++i)
    if (seen[i] && replaceable[i]) ids.push_back(static_cast<std::int64_t>(i));
  std::vector<std::vector<std::int64_t>> out(replaceable.size());
  const auto n = static_cast<std::int64_t>(ids.size());
  if (n < 2) return out;
  const Tensor rows = words.index_select(0, at::tensor(ids, torch::kInt64));
  const Tensor unit = rows / rows.norm(2, {1}, true).clamp_min(1e-12);
  const std::int64_t take = std::min<std::int64_t>(k + 1, n);
  for (std::int64_t begin = 0; begin < n; begin += 1024) {
    const std::int64_t end = std::min(n, begin + 1024);
    const Tensor best = std::get<1>(at::matmul(unit.slice(0, begin, end), unit.t()).topk(take, 1)).contiguous();
    const std::int64_t* p = best.data_ptr<std::int64_t>();
    for (std::int64_t r = begin; r < end; ++r)
      for (std::int64_t c = 0; c < take; ++c) {
        const std::int64_t other = p[(r - begin) * take + c];
        if (other != r)
          out[static_cast<std::size_t>(ids[static_cast<std::size_t>(r)])].push_back(
              ids[static_cast<std::size_t>(other)]);
      }
  }
  return out;
}

}  // namespace

std::vector<char> replaceable_words(const text::Tokenizer& tokenizer) {
  std::vector<char> out(static_cast<std::size_t>(tokenizer.vocab_size()), 0);
  for (int i = 0; i < tokenizer.vocab_size(); ++i) {
    const std::string& token = tokenizer.token(i);
    out[static_cast<std::size_t>(i)] =
        token.size() >= 2 &&
        std::all_of(token.begin(), token.end(), [](unsigned char c) { return std::isalpha(c) != 0; });
  }
  return out;
}

bool can_vary(const DataSet& data, const AugmentOptions& o) {
  return std::any_of(data.begin(), data.end(), [&](const Sentence& s) { return s.ids.size() >= o.min_length; });
}

DataSet augment(const DataSet& data, const Tensor& words, const std::vector<char>& replaceable,
                const AugmentOptions& o) {
  at::NoGradGuard no_grad;
  DataSet out;
  if (o.count == 0) return out;
  std::vector<std::size_t> long_enough;
  for (std::size_t i = 0; i < data.size(); ++i)
    if (data[i].ids.size() >= o.min_length) long_enough.push_back(i);
  if (!can_vary(data, o))
    throw Error(ErrorCode::input, "no example of at least " + std::to_string(o.min_length) +
                                      " tokens to make variants of: leave out --augment, or add longer examples");
  const auto neighbours = nearest(data, words.detach().to(torch::kCPU, torch::kFloat32), replaceable, o.neighbours);
  std::mt19937_64 rng(o.seed);
  auto chance = [&](double p) { return static_cast<double>(rng() >> 11) * 0x1p-53 < p; };
  out.reserve(o.count);
  while (out.size() < o.count) {
    Sentence s = data[long_enough[rng() % long_enough.size()]];
    const bool single = s.first.empty() && (s.types.empty() || s.types.back() == 0);  // neither pairs nor words
    if (single && chance(o.join)) {
      const Sentence& more = data[rng() % data.size()];
      if (s.ids.size() + more.ids.size() - 2 <= o.max_length && more.ids.size() > 2) {
        s.ids.insert(s.ids.end() - 1, more.ids.begin() + 1, more.ids.end() - 1);
        s.types.assign(s.ids.size(), 0);
      }
    }
    for (std::int64_t& id : s.ids) {
      const auto& others = neighbours[static_cast<std::size_t>(id)];
      if (!others.empty() && chance(o.replace)) id = others[rng() % others.size()];
    }
    s.text.clear();
    s.label = -1;
    s.value = std::numeric_limits<double>::quiet_NaN();
    s.tags.clear();
    out.push_back(std::move(s));
  }
  return out;
}

}  // namespace thex::convert
