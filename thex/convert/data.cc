#include "thex/convert/data.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "thex/base/error.h"

namespace thex::convert {
namespace {

constexpr std::size_t kBatchTokens = 2048;  // of a sorted batch, with padding

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string w; in >> w;) words.push_back(w);
  return words;
}

// Fisher-Yates with the generator's own bits: the same on every standard library.
template <typename T>
void shuffle(std::vector<T>& values, std::mt19937_64& rng) {
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[rng() % i]);
}

std::string join(const std::vector<std::string>& words, std::size_t begin, std::size_t end) {
  std::string out;
  for (std::size_t i = begin; i < end; ++i) out += (i > begin ? " " : "") + words[i];
  return out;
}

}  // namespace

DataSet tokenize(const std::vector<data::Example>& examples, model::Task task, const text::Tokenizer& tokenizer,
                 int max_length) {
  DataSet out;
  out.reserve(examples.size());
  for (const data::Example& e : examples) {
    Sentence s;
    text::Encoding code;
    if (task == model::Task::token_classification) {
      code = tokenizer.encode_words(e.words, max_length);
      const auto first = code.first_tokens(e.words.size());
      for (std::size_t w = 0; w < first.size(); ++w)
        if (first[w]) {
          s.first.push_back(static_cast<std::int64_t>(*first[w]));
          s.word.push_back(static_cast<int>(w));
        }
      s.text = join(e.words, 0, e.words.size());
      s.tags = e.tags;
    } else {
      code = tokenizer.encode(e.text, e.pair ? std::optional<std::string_view>(*e.pair) : std::nullopt, max_length);
      s.text = e.pair ? e.text + " " + *e.pair : e.text;
      s.label = e.label;
      if (task == model::Task::regression) s.value = e.value;
    }
    s.ids.assign(code.ids.begin(), code.ids.end());
    s.types.assign(code.type_ids.begin(), code.type_ids.end());
    out.push_back(std::move(s));
  }
  return out;
}

Split hold_out(DataSet all, std::size_t count, std::uint64_t seed, double long_share) {
  if (count == 0 || all.size() < 4 * count)
    throw Error(ErrorCode::input, "holding out " + std::to_string(count) + " examples needs at least " +
                                      std::to_string(4 * count) + " in the training file, it has " +
                                      std::to_string(all.size()) + ": lower --held-out");
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return all[a].ids.size() > all[b].ids.size(); });
  std::mt19937_64 rng(seed);
  std::vector<std::size_t> longest(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(all.size() / 10));
  std::vector<std::size_t> rest(order.begin() + static_cast<std::ptrdiff_t>(all.size() / 10), order.end());
  shuffle(longest, rng);
  shuffle(rest, rng);
  const std::size_t n_long =
      std::min(longest.size(), static_cast<std::size_t>(std::lround(static_cast<double>(count) * long_share)));
  std::vector<char> held(all.size(), 0);
  Split split;
  std::unordered_set<std::string> parts;
  auto hold = [&](std::size_t i) {
    held[i] = 1;
    split.held_out.push_back(all[i]);
    const auto words = words_of(all[i].text);
    parts.insert(join(words, 0, words.size()));
    for (std::size_t a = 0; a < words.size(); ++a)
      for (std::size_t b = a + 4; b <= std::min(words.size(), a + 64); ++b) parts.insert(join(words, a, b));
  };
  for (std::size_t i = 0; i < n_long; ++i) hold(longest[i]);
  for (std::size_t i = 0; i < count - n_long; ++i) hold(rest[i]);
  split.held_out_long = n_long;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (held[i]) continue;
    const auto words = words_of(all[i].text);
    if (parts.count(join(words, 0, words.size()))) {
      ++split.dropped;
    } else {
      split.train.push_back(std::move(all[i]));
    }
  }
  return split;
}

std::vector<std::vector<std::size_t>> shuffled_batches(const DataSet& data, std::size_t batch_size, std::uint64_t seed,
                                                       int epoch) {
  std::mt19937_64 rng(seed * 1000003 + static_cast<std::uint64_t>(epoch));
  std::vector<std::size_t> order(data.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  shuffle(order, rng);
  std::vector<std::vector<std::size_t>> batches;
  const std::size_t pool = batch_size * 64;
  for (std::size_t begin = 0; begin < order.size(); begin += pool) {
    const std::size_t end = std::min(order.size(), begin + pool);
    std::stable_sort(order.begin() + static_cast<std::ptrdiff_t>(begin),
                     order.begin() + static_cast<std::ptrdiff_t>(end),
                     [&](std::size_t a, std::size_t b) { return data[a].ids.size() < data[b].ids.size(); });
    for (std::size_t b = begin; b < end; b += batch_size)
      batches.emplace_back(order.begin() + static_cast<std::ptrdiff_t>(b),
                           order.begin() + static_cast<std::ptrdiff_t>(std::min(end, b + batch_size)));
  }
  shuffle(batches, rng);
  return batches;
}

DataSet evenly_spaced(const DataSet& data, std::size_t count) {
  DataSet out;
  const std::size_t stride = std::max<std::size_t>(1, data.size() / std::max<std::size_t>(1, count));
  for (std::size_t i = 0; i < data.size(); i += stride) out.push_back(data[i]);
  return out;
}

std::vector<std::vector<std::size_t>> sorted_batches(const DataSet& data, std::size_t batch_size) {
  std::vector<std::size_t> order(data.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return data[a].ids.size() < data[b].ids.size(); });
  std::vector<std::vector<std::size_t>> batches;
  for (const std::size_t i : order) {
    const std::size_t length = data[i].ids.size();
    if (batches.empty() || batches.back().size() == batch_size || (batches.back().size() + 1) * length > kBatchTokens)
      batches.emplace_back();
    batches.back().push_back(i);
  }
  return batches;
}

double mean_length(const DataSet& data) {
  double total = 0;
  for (const Sentence& s : data) total += static_cast<double>(s.ids.size());
  return data.empty() ? 1 : total / static_cast<double>(data.size());
}

namespace {

void add_words(Batch& b, const DataSet& data, const std::vector<std::size_t>& indices) {
  const std::int64_t length = b.ids.size(1);
  std::vector<std::int64_t> first, tags, count;
  std::vector<float> weight;
  bool any = false;
  for (std::size_t r = 0; r < indices.size(); ++r) {
    const Sentence& s = data[indices[r]];
    any = any || !s.first.empty() || !s.tags.empty();
    count.push_back(static_cast<std::int64_t>(s.first.size()));
    for (std::size_t w = 0; w < s.first.size(); ++w) {
      first.push_back(static_cast<std::int64_t>(r) * length + s.first[w]);
      tags.push_back(s.word_of(w) < s.tags.size() ? s.tags[s.word_of(w)] : -1);
      weight.push_back(b.weight.data_ptr<float>()[r]);
    }
  }
  if (!any) return;
  b.first = at::tensor(first, torch::kInt64);
  b.tags = at::tensor(tags, torch::kInt64);
  b.word_weight = at::tensor(weight, torch::kFloat32);
  b.word_count = at::tensor(count, torch::kInt64);
}

}  // namespace

Batch collate(const DataSet& data, const std::vector<std::size_t>& indices, torch::Device device, double length_power,
              double mean) {
  const auto n = static_cast<std::int64_t>(indices.size());
  std::size_t longest = 0;
  for (std::size_t i : indices) longest = std::max(longest, data[i].ids.size());
  const auto length = static_cast<std::int64_t>(longest);
  Batch b;
  b.ids = at::zeros({n, length}, torch::kInt64);
  b.types = at::zeros({n, length}, torch::kInt64);
  b.mask = at::zeros({n, length});
  b.labels = at::empty({n}, torch::kInt64);
  b.values = at::empty({n});
  b.weight = at::empty({n});
  b.index = at::empty({n}, torch::kInt64);
  auto* ids = b.ids.data_ptr<std::int64_t>();
  auto* types = b.types.data_ptr<std::int64_t>();
  auto* mask = b.mask.data_ptr<float>();
  std::unordered_map<std::int64_t, std::int64_t> position;
  std::vector<std::int64_t> distinct;
  auto local = [&](std::int64_t id) {
    const auto [it, fresh] = position.emplace(id, static_cast<std::int64_t>(distinct.size()));
    if (fresh) distinct.push_back(id);
    return it->second;
  };
  const std::int64_t padding = local(0);
  for (std::int64_t r = 0; r < n; ++r) {
    const Sentence& s = data[indices[static_cast<std::size_t>(r)]];
    const auto len = static_cast<std::int64_t>(s.ids.size());
    for (std::int64_t c = 0; c < length; ++c) {
      const bool real = c < len;
      ids[r * length + c] = real ? local(s.ids[static_cast<std::size_t>(c)]) : padding;
      if (real) types[r * length + c] = s.types[static_cast<std::size_t>(c)];
      mask[r * length + c] = real ? 1.0F : 0.0F;
    }
    b.labels.data_ptr<std::int64_t>()[r] = s.label;
    b.values.data_ptr<float>()[r] = static_cast<float>(s.value);
    b.index.data_ptr<std::int64_t>()[r] = static_cast<std::int64_t>(indices[static_cast<std::size_t>(r)]);
    b.weight.data_ptr<float>()[r] =
        length_power == 0
            ? 1.0F
            : static_cast<float>(std::clamp(std::pow(static_cast<double>(len) / mean, length_power), 0.5, 4.0));
  }
  b.unique = at::tensor(distinct, torch::kInt64);
  add_words(b, data, indices);
  for (torch::Tensor* t : {&b.ids, &b.types, &b.mask, &b.labels, &b.values, &b.weight, &b.index, &b.unique, &b.first,
                           &b.tags, &b.word_weight, &b.word_count})
    if (t->defined()) *t = t->to(device);
  return b;
}

torch::Tensor real_rows(const Batch& batch, const torch::Tensor& values) {
  const torch::Tensor rows = batch.mask.slice(1, 0, values.size(1)).reshape({-1}).nonzero().squeeze(1);
  return values.reshape({-1, values.size(2)}).index_select(0, rows);
}

torch::Tensor usual_rows(const torch::Tensor& rows) {
  constexpr double kFar = 20;
  const torch::Tensor size = rows.square().mean(1);
  return at::logical_and(at::isfinite(size), size.le(size.nanmedian() * kFar)).nonzero().squeeze(1);
}

void join(Sentence& s, const DataSet& data, std::size_t length, std::mt19937_64& rng) {
  for (int tries = 0; s.ids.size() < length && tries < 200; ++tries) {
    const Sentence& more = data[rng() % data.size()];
    const std::size_t room = std::min(more.ids.size() - 2, length - s.ids.size());
    s.ids.insert(s.ids.end() - 1, more.ids.begin() + 1, more.ids.begin() + 1 + static_cast<std::ptrdiff_t>(room));
    s.types.resize(s.ids.size(), s.types.back());
    s.tags.clear();
    s.text += " " + more.text;
  }
}

std::vector<std::int64_t> word_offsets(const DataSet& data) {
  std::vector<std::int64_t> out{0};
  out.reserve(data.size() + 1);
  for (const Sentence& s : data) out.push_back(out.back() + static_cast<std::int64_t>(s.first.size()));
  return out;
}

torch::Tensor word_rows(const std::vector<std::int64_t>& offsets, const Batch& batch) {
  const torch::Tensor index = batch.index.to(torch::kCPU), count = batch.word_count.to(torch::kCPU);
  std::vector<std::int64_t> rows;
  rows.reserve(static_cast<std::size_t>(batch.first.numel()));
  for (std::int64_t b = 0; b < index.numel(); ++b)
    for (std::int64_t w = 0; w < count.data_ptr<std::int64_t>()[b]; ++w)
      rows.push_back(offsets.at(static_cast<std::size_t>(index.data_ptr<std::int64_t>()[b])) + w);
  return at::tensor(rows, torch::kInt64);
}

}  // namespace thex::convert
