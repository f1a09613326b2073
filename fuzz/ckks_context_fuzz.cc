// Any numbers as a specification of CKKS parameters: an Error(crypto), or a context within the 128-bit table whose
// fingerprint is its own.
#include <cstdint>
#include <cstdlib>

#include "thex/base/error.h"
#include "thex/ckks/context.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace thex;
  std::size_t at = 0;
  const auto byte = [&]() -> int { return at < size ? static_cast<std::int8_t>(data[at++]) : 0; };
  ckks::ContextSpec spec;
  spec.log_n = byte();
  if (spec.log_n > 13 && spec.log_n <= 16) spec.log_n = 12 + spec.log_n % 2;  // larger rings take long to set up
  spec.digit_limbs = byte();
  spec.log_scale = byte();
  spec.wide_q1 = spec.log_scale % 3 == 0;
  const int chain = byte(), special = byte();
  for (int i = 0; i < chain; ++i) spec.q_bits.push_back(byte());
  for (int i = 0; i < special; ++i) spec.p_bits.push_back(byte());
  try {
    const ckks::ContextPtr context = ckks::Context::create(spec);
    if (!(context->log_qp() <= ckks::max_log_qp_128(spec.log_n)) || context->spec() != spec) std::abort();
    for (ckks::Level level = 0; level <= context->max_level(); ++level) {
      if (!(context->scale(level) > 0)) std::abort();
    }
    if (ckks::Context::create(spec)->fingerprint() != context->fingerprint()) std::abort();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::crypto) std::abort();
  }
  return 0;
}
