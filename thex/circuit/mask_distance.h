// How far what a client sees of refreshed values is from something that does not depend on them.
//
// A coefficient m of a value under a mask that is uniform in an interval of 2^b integers (ckks::refresh_mask_bits) is
// within statistical distance |m| / 2^b of the mask itself. Distances add up over the coefficients of all values of a
// run, and the coefficients of a value with slots of root mean square r at scale s, N of them, sum up to at most
// sqrt(N) s r.
#pragma once

#include "thex/circuit/program.h"
#include "thex/ckks/context.h"

namespace thex::circuit {

// Values are counted so many times as large as they are expected to be.
inline constexpr double kMaskMargin = 16;

// log2 of the sum of sqrt(N) r over all values that a program refreshes through the client, margin included, with the
// sizes that noise is predicted from (Node::assumed); minus infinity where there are none.
double log_refreshed_size(const Program& program);

// -log2 of the statistical distance of one run. Throws Error(crypto) as ckks::refresh_mask_bits does.
double statistical_bits(const ckks::Context& context, double log_refreshed_size);

// Bits by which q_0 q_1 must exceed the scale for that distance.
int mask_bits_for(double statistical_bits, double log_refreshed_size);

}  // namespace thex::circuit
