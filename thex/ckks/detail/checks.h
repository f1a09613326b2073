// Argument checks of the evaluator. Internal to ckks.
#pragma once

#include <cmath>
#include <string>

#include "thex/base/error.h"
#include "thex/ckks/ciphertext.h"
#include "thex/ckks/context.h"
#include "thex/ckks/detail/context_constants.h"

namespace thex::ckks {

[[noreturn]] inline void refuse(const char* operation, const std::string& message) {
  throw Error(ErrorCode::crypto, std::string(operation) + ": " + message);
}

inline void check_shape(const char* operation, const Context& context, const Ciphertext& a, std::size_t min_parts = 2,
                        std::size_t max_parts = 3) {
  if (a.parts.size() < min_parts || a.parts.size() > max_parts) {
    std::string expected = std::to_string(min_parts);
    if (max_parts != min_parts) expected += " or " + std::to_string(max_parts);
    refuse(operation, "a ciphertext of " + std::to_string(a.parts.size()) + " parts; expected " + expected +
                          (max_parts == 2 && a.parts.size() == 3 ? " (relinearise first)" : ""));
  }
  context.check_level(operation, a.level);
  for (const ring::Poly& part : a.parts) {
    if (part.n() != context.n() || part.limbs() != a.level.limbs()) {
      refuse(operation, "a ciphertext part of " + std::to_string(part.limbs()) + " limbs of " +
                            std::to_string(part.n()) + " at level " + to_string(a.level) +
                            "; expected level + 1 limbs of " + std::to_string(context.n()));
    }
  }
  if (!std::isfinite(a.scale) || a.scale <= 0) {
    refuse(operation, "the scale " + std::to_string(a.scale) + " is not positive");
  }
}

inline void check_plain(const char* operation, const Context& context, const Plaintext& b, Level level) {
  const std::size_t n = b.poly.n();
  if (b.level != level) {
    refuse(operation, "a ciphertext at level " + to_string(level) + " and a plaintext at level " + to_string(b.level));
  }
  if (n < 32 || n > context.n() || (n & (n - 1)) != 0 || b.poly.limbs() != level.limbs()) {
    refuse(operation, "a plaintext of " + std::to_string(b.poly.limbs()) + " limbs of " + std::to_string(n) +
                          " coefficients at level " + to_string(level) + " does not belong to this context");
  }
  if (!std::isfinite(b.scale) || b.scale <= 0) {
    refuse(operation, "the plaintext's scale " + std::to_string(b.scale) + " is not positive");
  }
}

// Levels only go down.
inline void check_lower(const char* operation, Level from, Level to) {
  if (to < 0 || to > from) {
    refuse(operation,
           "level " + to_string(to) + " from a ciphertext at level " + to_string(from) + "; levels only go down, to 0");
  }
}

inline void check_same_level(const char* operation, Level a, Level b) {
  if (a != b) {
    refuse(operation, "operands at levels " + to_string(a) + " and " + to_string(b) + "; use drop_to or align_to");
  }
}

inline std::string log_scale(double scale) { return "2^" + std::to_string(std::log2(scale)); }

inline void check_same_scale(const char* operation, double a, double b) {
  if (!same_scale(a, b)) {
    refuse(operation, "scales " + log_scale(a) + " and " + log_scale(b) + " differ by more than 2^-30; use align_to");
  }
}

// A product whose scale alone exceeds the modulus has lost its value.
inline void check_product_scale(const char* operation, const Context& context, double scale, Level level) {
  const double log_q = context.constants().log_q[level.top()];
  if (!(std::log2(scale) < log_q)) {
    refuse(operation, "the scale " + log_scale(scale) + " exceeds the modulus 2^" + std::to_string(log_q) +
                          " of level " + to_string(level) + "; no levels are left for this product");
  }
}

}  // namespace thex::ckks
