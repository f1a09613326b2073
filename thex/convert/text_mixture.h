// The texts that a deep model learns its polynomials from, epoch by epoch: the task's own, others without labels,
// variants of both, and those variants at which the student is farthest from usual. No text needs a label: the plain
// model says what its states and outputs are.
#pragma once

#include <functional>
#include <random>
#include <vector>

#include "thex/convert/data.h"

namespace thex::convert {

struct TextMixtureOptions {
  std::size_t count = 0;                          // texts of an epoch
  double others = 0.3, varied = 0.1, hard = 0.1;  // shares of them; the rest is the task's own
  double kept = 0.2;                              // the hard ones are this share of as many more variants
  double cropped = 0.15;                          // of the variants
  double joined = 0.1;                            // of those that are looked at for hard ones
  std::size_t longest = 128;                      // tokens of joined ones
  std::uint64_t seed = 1;
};

class TextMixture {
 public:
  // `words`: vocabulary ids that a variant may have in place of any other. The references must outlive the mixture.
  TextMixture(const DataSet& task, const DataSet& others, std::vector<std::int64_t> words, TextMixtureOptions options);

  // How far a student is from usual at each of some texts.
  using Distance = std::function<std::vector<double>(const DataSet&)>;
  // The texts of an epoch: exactly options.count of them, from (seed, epoch) and the distances alone. Without a
  // distance none are sought that are hard.
  DataSet epoch(int epoch, const Distance& distance) const;

  // One text with a tenth to two fifths of its words replaced by others, or cropped to at most eight tokens, or joined
  // with others to any length up to the longest, as many as `joined` says: they are far from what a model of short
  // texts has learnt, and drawn to their states it unlearns it. Pairs and sentences of words are not cropped, their
  // places stay. Without label.
  Sentence vary(Sentence text, double joined, std::mt19937_64& rng) const;

 private:
  const DataSet& task_;
  const DataSet& others_;
  const std::vector<std::int64_t> words_;
  const TextMixtureOptions o_;
};

}  // namespace thex::convert
