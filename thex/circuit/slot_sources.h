// Where the slots of what the client encrypts come from.
//
// Described slot by slot, as a function that is asked only by who computes or compares: a plan of hundreds of
// ciphertexts of 2^15 slots holds none of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace thex::circuit {

// The place of a value in a vector of slots, counted from 0.
class Slot {
 public:
  constexpr Slot() = default;
  constexpr Slot(std::size_t place) : place_(static_cast<std::uint32_t>(place)) {}  // NOLINT: places are plain numbers
  constexpr operator std::size_t() const { return place_; }

 private:
  std::uint32_t place_ = 0;  // programs have one for every slot of every encryption
};

// SlotSource::input that is no vector of the step: zero, and (in step 0) one divided by the length of the sentence.
inline constexpr std::int32_t kZeroSource = -1, kInverseLengthSource = -2;

// Where one slot of a fresh encryption comes from.
struct SlotSource {
  std::int32_t input = kZeroSource;  // which vector of the step, or one of the above
  Slot slot;                         // its slot
  std::int32_t token =
      -1;  // the slot is zero when this token position is padding (token >= sentence length); -1: never
  std::int32_t sentence = 0;  // whose token, in a batch
};

// The sources of one vector: a list, or a function of the slot, which must not change its mind. Copies share it.
class SlotSources {
 public:
  SlotSources(std::vector<SlotSource> list);
  SlotSources(std::size_t size, std::function<SlotSource(std::size_t slot)> at);

  std::size_t size() const { return size_; }
  SlotSource operator[](std::size_t slot) const { return (*at_)(slot); }
  // Equal for copies, different for what was made apart, as long as either lives.
  const void* identity() const { return at_.get(); }

 private:
  std::size_t size_;
  std::shared_ptr<const std::function<SlotSource(std::size_t)>> at_;
};

// The sources of the two vectors of a pair (ClientStep::sources).
SlotSources pair_of(const SlotSources& first, const SlotSources& second);

// Tokens of the sentence that a program runs on, or of each sentence of a batch; 0: nothing is in its place.
class Lengths {
 public:
  Lengths(int tokens) : tokens_{tokens} {}
  Lengths(std::vector<int> tokens) : tokens_(std::move(tokens)) {}
  // Throws Error(internal) when there are fewer sentences.
  int of(const SlotSource& source) const;

 private:
  std::vector<int> tokens_;
};

}  // namespace thex::circuit
