// Small synthetic data and models for the tests of this folder.
#pragma once

#include <random>
#include <string>

#include "thex/approx/data.h"
#include "thex/approx/encoder_module.h"
#include "thex/base/temporary_folder.h"

namespace thex::approx::testing {

inline bert::ModelConfig small_config() {
  bert::ModelConfig c;
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

using thex::TemporaryFolder;

}  // namespace thex::approx::testing
