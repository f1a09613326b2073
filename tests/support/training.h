// Small synthetic data and models for the tests of this folder.
#pragma once

#include <random>
#include <string>

#include "tests/support/temporary_folder.h"
#include "thex/convert/data.h"
#include "thex/convert/encoder_module.h"

namespace thex::convert::testing {

inline model::ModelConfig small_config() {
  model::ModelConfig c;
  c.layers = 2;
  c.hidden = 16;
  c.heads = 2;
  c.ffn = 32;
  c.vocab = 40;
  c.max_positions = 24;
  c.labels = {"no", "yes"};
  return c;
}

// Sentences of random words; the label says whether more of them are from the upper half of the vocabulary.
inline DataSet vote_data(std::size_t count, int vocab, int longest, std::uint64_t seed) {
  std::mt19937_64 rng(seed);
  DataSet out;
  for (std::size_t i = 0; i < count; ++i) {
    Sentence s;
    s.ids = {2};
    const int words = 1 + 2 * static_cast<int>(rng() % static_cast<std::uint64_t>(longest / 2));
    int high = 0;
    for (int w = 0; w < words; ++w) {
      const auto id = 4 + static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(vocab - 4));
      high += id >= (vocab + 4) / 2;
      s.ids.push_back(id);
      s.text += (w ? " w" : "w") + std::to_string(id);
    }
    s.ids.push_back(3);
    s.types.assign(s.ids.size(), 0);
    s.label = 2 * high > words;
    out.push_back(s);
  }
  return out;
}

// As a task: what vote_data's labels mean.
inline data::TaskSpec vote_task() {
  data::TaskSpec spec;
  spec.name = "votes";
  spec.labels = {"no", "yes"};
  spec.metrics = {data::Metric::accuracy};
  return spec;
}

// The same sentences; the value is five times the share of words from the upper half.
inline DataSet share_data(std::size_t count, int vocab, int longest, std::uint64_t seed) {
  DataSet out = vote_data(count, vocab, longest, seed);
  for (Sentence& s : out) {
    double high = 0;
    for (std::size_t i = 1; i + 1 < s.ids.size(); ++i) high += s.ids[i] >= (vocab + 4) / 2;
    s.label = -1;
    s.value = 5 * high / static_cast<double>(s.ids.size() - 2);
  }
  return out;
}

inline data::TaskSpec share_task() {
  data::TaskSpec spec = vote_task();
  spec.kind = model::Task::regression;
  spec.labels = {"score"};
  spec.metrics = {data::Metric::pearson, data::Metric::spearman};
  return spec;
}

// Pairs of texts; the label says whether the second has more words from the upper half than the first.
inline DataSet pair_data(std::size_t count, int vocab, int words, std::uint64_t seed) {
  std::mt19937_64 rng(seed);
  DataSet out;
  while (out.size() < count) {
    Sentence s;
    s.ids = {2};
    s.types = {0};
    int difference = 0;
    for (int part = 0; part < 2; ++part) {
      for (int w = 0; w < words; ++w) {
        const auto id = 4 + static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(vocab - 4));
        if (id >= (vocab + 4) / 2) difference += part == 1 ? 1 : -1;
        s.ids.push_back(id);
        s.text += " w" + std::to_string(id);
      }
      s.ids.push_back(3);
      s.types.resize(s.ids.size(), part);
    }
    if (difference == 0) continue;
    s.label = difference > 0;
    out.push_back(s);
  }
  return out;
}

// Words of one to three pieces. A word whose first piece is from the uppermost quarter of the vocabulary is an entity;
// entities that follow each other are one. Some words at the end are cut off, as by truncation.
inline DataSet tag_data(std::size_t count, int vocab, int words, std::uint64_t seed) {
  std::mt19937_64 rng(seed);
  DataSet out;
  for (std::size_t i = 0; i < count; ++i) {
    Sentence s;
    s.ids = {2};
    bool inside = false;
    const int n = 2 + static_cast<int>(rng() % static_cast<std::uint64_t>(words - 1));
    for (int w = 0; w < n; ++w) {
      s.first.push_back(static_cast<std::int64_t>(s.ids.size()));
      const auto pieces = 1 + rng() % 3;
      const auto id = 4 + static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(vocab - 4));
      const bool entity = id >= vocab - vocab / 4;
      s.tags.push_back(!entity ? 0 : inside ? 2 : 1);
      inside = entity;
      s.ids.push_back(id);
      for (std::uint64_t p = 1; p < pieces; ++p) s.ids.push_back(4);  // says nothing
      s.text += " w" + std::to_string(id);
    }
    s.ids.push_back(3);
    s.types.assign(s.ids.size(), 0);
    if (rng() % 8 == 0) s.tags.push_back(1);
    out.push_back(s);
  }
  return out;
}

inline data::TaskSpec tag_task() {
  data::TaskSpec spec;
  spec.name = "tags";
  spec.kind = model::Task::token_classification;
  spec.labels = {"O", "B-X", "I-X"};
  spec.metrics = {data::Metric::entity_f1};
  return spec;
}

inline TaskData task_data(data::TaskSpec spec, DataSet train, DataSet dev, std::size_t held_out = 100) {
  TaskData out;
  out.spec = std::move(spec);
  out.split = hold_out(std::move(train), held_out, 1, 0);
  out.dev = std::move(dev);
  out.max_length = 24;
  return out;
}

inline model::ModelConfig config_for(const data::TaskSpec& spec) {
  model::ModelConfig c = small_config();
  c.task = spec.kind;
  c.labels = spec.labels;
  if (spec.kind == model::Task::token_classification) c.pooler = false;
  return c;
}

using thex::TemporaryFolder;

}  // namespace thex::convert::testing
