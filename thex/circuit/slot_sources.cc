#include "thex/circuit/slot_sources.h"

#include <string>
#include <utility>

#include "thex/base/error.h"

namespace thex::circuit {

SlotSources::SlotSources(std::size_t size, std::function<SlotSource(std::size_t)> at)
    : size_(size), at_(std::make_shared<const std::function<SlotSource(std::size_t)>>(std::move(at))) {}

SlotSources::SlotSources(std::vector<SlotSource> list) : size_(list.size()) {
  at_ = std::make_shared<const std::function<SlotSource(std::size_t)>>(
      [all = std::move(list)](std::size_t slot) { return all[slot]; });
}

SlotSources pair_of(const SlotSources& first, const SlotSources& second) {
  return {first.size() + second.size(),
          [=](std::size_t i) { return i < first.size() ? first[i] : second[i - first.size()]; }};
}

int Lengths::of(const SlotSource& source) const {
  const auto sentence = static_cast<std::size_t>(source.sentence);
  if (sentence >= tokens_.size())
    throw Error(ErrorCode::internal, "a batch needs the length of sentence " + std::to_string(sentence) +
                                         ", there are " + std::to_string(tokens_.size()));
  return tokens_[sentence];
}

}  // namespace thex::circuit
