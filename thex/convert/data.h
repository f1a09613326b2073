// Tokenized data sets of any task, the held-out split on which every choice is made, and length-sorted padded batches.
#pragma once

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "thex/convert/encoder_module.h"
#include "thex/data/example.h"
#include "thex/data/task.h"
#include "thex/text/tokenizer.h"

namespace thex::convert {

struct Sentence {
  std::string text;                                         // both texts of a pair or all words, with blanks between
  std::vector<std::int64_t> ids, types;                     // with [CLS] and [SEP]
  int label = -1;                                           // classification; -1: none
  double value = std::numeric_limits<double>::quiet_NaN();  // regression; not a number: none
  // Token classification. A tag for every word, those that truncation removed included; empty: none are known.
  std::vector<int> tags;
  std::vector<std::int64_t> first;  // where the first piece of each word that has one stands in `ids`
  std::vector<int> word;            // which words these are; empty: the first ones, without a gap
  std::size_t word_of(std::size_t k) const { return word.empty() ? k : static_cast<std::size_t>(word.at(k)); }
};

using DataSet = std::vector<Sentence>;

// Throws Error(input) as the tokenizer does.
DataSet tokenize(const std::vector<data::Example>& examples, model::Task task, const text::Tokenizer& tokenizer,
                 int max_length);

// A part of the training data on which choices (best epoch, stopping) are made, never the dev set.
struct Split {
  DataSet train;
  DataSet held_out;
  std::size_t held_out_long = 0;  // the first so many of `held_out` come from the longest tenth of the data
  std::size_t dropped = 0;        // training examples left out because a held-out one contains them (or equals them)
};

// Draws `count` examples, the share `long_share` of them from the longest tenth (whole sentences rather than phrases,
// where the data have both). Training examples that are a word-for-word part (of four words or more) of a held-out
// example, or equal to one, are dropped, so the split does not leak. Depends on the data, `count` and `seed` alone.
// Throws Error(input) when fewer than 4 * count examples are there.
Split hold_out(DataSet all, std::size_t count, std::uint64_t seed, double long_share = 0.3);

// What one run learns from and is judged by.
struct TaskData {
  data::TaskSpec spec;
  Split split;
  DataSet dev;
  int max_length = 128;
  DataSet texts;                    // more texts without labels, for what learns from states
  std::vector<std::int64_t> words;  // vocabulary ids of whole words, which variants of texts may have
  data::ReadCounts counts;          // of both files
};

// Every k-th example, k the largest that leaves `count` of them, or all.
DataSet evenly_spaced(const DataSet& data, std::size_t count);

// Appends inner tokens of random others of `data` to a text, or to the second of a pair, until it has `length` tokens;
// its tags are gone then.
void join(Sentence& text, const DataSet& data, std::size_t length, std::mt19937_64& rng);

// Indices into `data`, shuffled by (seed, epoch), of examples of similar length; the order of batches is random too.
std::vector<std::vector<std::size_t>> shuffled_batches(const DataSet& data, std::size_t batch_size, std::uint64_t seed,
                                                       int epoch);
// All of `data`, sorted by length, for evaluation: fewer than `batch_size` in a batch where texts are long, since all
// states of a batch are kept at once.
std::vector<std::vector<std::size_t>> sorted_batches(const DataSet& data, std::size_t batch_size);

// Pads to the longest. Weights are (length / mean length)^length_power within [1/2, 4], see `mean_length`.
Batch collate(const DataSet& data, const std::vector<std::size_t>& indices, torch::Device device,
              double length_power = 0, double mean_length = 1);

// Of values [B, Lq, F] those of the batch's real tokens, [R, F].
torch::Tensor real_rows(const Batch& batch, const torch::Tensor& values);

// The numbers of those rows of [R, F] that are finite and whose mean square is at most twenty times the median's: what
// a polynomial threw away says nothing about the others.
torch::Tensor usual_rows(const torch::Tensor& rows);

double mean_length(const DataSet& data);

// Token classification: the number of kept words before each example, and the total at the end.
std::vector<std::int64_t> word_offsets(const DataSet& data);
// The rows of a batch's words in a table of all kept words of the data set, [W] int64.
torch::Tensor word_rows(const std::vector<std::int64_t>& offsets, const Batch& batch);

}  // namespace thex::convert
