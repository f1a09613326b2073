#include "thex/ckks/answer_hiding.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

#include "thex/ckks/detail/checks.h"

namespace thex::ckks {
namespace {

double log_q0(const Context& context) { return std::log2(static_cast<double>(context.prime(Level(0).top()).value())); }

double shown_bits(const Context& context, const AnswerHiding& hiding) {
  return 2 * static_cast<double>(hiding.period) * (log_q0(context) - hiding.flooding_bits - 1);
}

// Of the masks, ternary polynomials, at least half of one stays unknown to a client that sees nothing but them.
std::size_t zeros_needed(const Context& context, const AnswerHiding& hiding) {
  const double of_one = static_cast<double>(context.n()) * std::log2(3.0);
  return static_cast<std::size_t>(std::ceil(shown_bits(context, hiding) / of_one + 0.5));
}

}  // namespace

void check_period(const char* operation, const Context& context, std::size_t period) {
  if (!std::has_single_bit(period) || period > context.slots())
    refuse(operation, "a period of " + std::to_string(period) + " slots; expected a power of two, 1.." +
                          std::to_string(context.slots()));
}

void check_hiding(const char* operation, const Context& context, const AnswerHiding& hiding) {
  check_period(operation, context, hiding.period);
  if (hiding.flooding_bits < 0 || hiding.flooding_bits > kMaxFloodingBits || hiding.flooding_bits + 2 > log_q0(context))
    refuse(operation, "2^" + std::to_string(hiding.flooding_bits) + " of noise; expected 0.." +
                          std::to_string(kMaxFloodingBits) + " and less than a quarter of q_0");
}

double flood_deviation(double scale, const AnswerHiding& hiding) {
  // 2P coefficients of variance 4^k / 3 give slots of complex variance 2P 4^k / 3; the mean of real and imaginary part
  // has a quarter of it.
  return std::ldexp(std::sqrt(static_cast<double>(hiding.period) / 6), hiding.flooding_bits) / scale;
}

double exposed_bits(const Context& context, const AnswerHiding& hiding) {
  return hiding.zeros >= zeros_needed(context, hiding) ? shown_bits(context, hiding)
                                                       : 2 * static_cast<double>(context.n()) * log_q0(context);
}

AnswerHiding plan_answer_hiding(const Context& context, double scale, std::size_t period, double deviation,
                                std::size_t available) {
  static constexpr const char* kName = "plan_answer_hiding";
  check_period(kName, context, period);
  AnswerHiding hiding{.period = period};
  const double smallest = flood_deviation(scale, hiding);
  if (!(smallest <= deviation))
    refuse(kName, "a flood of one bit has deviation 2^" + std::to_string(std::log2(smallest)) + ", above 2^" +
                      std::to_string(std::log2(deviation)));
  const double room = std::min<double>(kMaxFloodingBits, log_q0(context) - 2);
  hiding.flooding_bits = static_cast<int>(std::floor(std::min(room, std::log2(deviation / smallest))));
  hiding.zeros = std::min(zeros_needed(context, hiding), available);
  return hiding;
}

}  // namespace thex::ckks
