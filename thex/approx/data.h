// Tokenized data sets, the held-out split on which every choice is made, and length-sorted padded batches.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "thex/approx/encoder_module.h"
#include "thex/bert/dataset.h"
#include "thex/bert/tokenizer.h"

namespace thex::approx {

struct Sentence {
  std::string text;
  std::vector<std::int64_t> ids, types;
  int label = -1;
};

using DataSet = std::vector<Sentence>;

DataSet tokenize(const std::vector<bert::Example>& examples, const bert::Tokenizer& tokenizer, int max_length);

// A part of the training data on which choices (best epoch, stopping) are made, never the dev set.
struct Split {
  DataSet train;
  DataSet held_out;
  std::size_t held_out_long = 0;  // the first so many of `held_out` come from the longest tenth of the data
  std::size_t dropped = 0;        // training examples left out because a held-out one contains them (or equals them)
};

// Draws `count` examples, 3 in 10 from the longest tenth (whole sentences rather than phrases). Training examples of
// four words or more that are a word-for-word part of a held-out example are dropped, so the split does not leak.
// Depends on the data, `count` and `seed` alone. Throws Error(input) when fewer than 4 * count examples are there.
Split hold_out(DataSet all, std::size_t count, std::uint64_t seed);

// Indices into `data`, shuffled by (seed, epoch), of examples of similar length; the order of batches is random too.
std::vector<std::vector<std::size_t>> shuffled_batches(const DataSet& data, std::size_t batch_size, std::uint64_t seed,
                                                       int epoch);
// All of `data`, sorted by length, for evaluation.
std::vector<std::vector<std::size_t>> sorted_batches(const DataSet& data, std::size_t batch_size);

// Pads to the longest. Weights are (length / mean length)^length_power within [1/2, 4], see `mean_length`.
Batch collate(const DataSet& data, const std::vector<std::size_t>& indices, torch::Device device,
              double length_power = 0, double mean_length = 1);

double mean_length(const DataSet& data);

}  // namespace thex::approx
