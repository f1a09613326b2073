// How an answer is hidden (answer.h, where the sources are named), as both sides know it before a query, and what is
// left to be learnt. Periods are numbers of slots, floods are integers added to coefficients, deviations are in the
// units of the values, that is, already divided by the scale.
#pragma once

#include <cstddef>

#include "thex/ckks/context.h"

namespace thex::ckks {

inline constexpr int kMaxFloodingBits = ring::kMaxPrimeBits;

struct AnswerHiding {
  std::size_t period = 0;  // P, a power of two up to the number of slots
  int flooding_bits = 0;   // k, 0 .. kMaxFloodingBits, with 2^(k+2) <= q_0
  std::size_t zeros = 1;   // encryptions of zero (rerandomise.h)

  friend bool operator==(const AnswerHiding&, const AnswerHiding&) = default;
};

// For results at level 0 and `scale`: the largest flood that adds no more than this standard deviation to a value that
// is read, and as many encryptions of zero as hide the second half from a client that reads all the masks it can with
// malformed keys, or the `available` ones. Throws Error(crypto) when even the smallest flood adds more.
AnswerHiding plan_answer_hiding(const Context& context, double scale, std::size_t period, double deviation,
                                std::size_t available);

// The standard deviation of the flood in a value that is read from an answer of that scale: 2^k sqrt(P / 6) / scale.
double flood_deviation(double scale, const AnswerHiding& hiding);

// The most that one answer says about the weights, to whatever client: 2P (log2(q_0) - k - 1) bits. Where there were
// too few encryptions of zero, all bits of the ciphertext.
double exposed_bits(const Context& context, const AnswerHiding& hiding);

// Throws Error(crypto) when a field is out of its range.
void check_hiding(const char* operation, const Context& context, const AnswerHiding& hiding);
void check_period(const char* operation, const Context& context, std::size_t period);

}  // namespace thex::ckks
