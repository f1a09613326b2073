#include "thex/protocol/step_ciphertexts.h"

#include "thex/base/error.h"
#include "thex/base/parallel.h"
#include "thex/ckks/rounded_ciphertext.h"
#include "thex/ckks/serialization.h"
#include "thex/protocol/message_sizes.h"
#include "thex/protocol/messages.h"

namespace thex::protocol {
namespace {

std::vector<circuit::Travelling> expected(const circuit::Plan& plan, std::size_t program, std::size_t step) {
  return circuit::to_client(plan.programs.at(program), plan.program_plans.at(program), step);
}

}  // namespace

std::vector<Bytes> write_step(const encoder::InferencePlan& plan, std::size_t program, std::size_t step,
                              std::span<const ckks::Ciphertext> ciphertexts, int threads) {
  const ckks::Context& context = *plan.circuits.context;
  const std::vector<circuit::Travelling> travelling = expected(plan.circuits, program, step);
  if (travelling.size() != ciphertexts.size())
    throw Error(ErrorCode::internal, "a step of another number of ciphertexts than planned");
  std::vector<Bytes> bytes(ciphertexts.size());
  parallel_for(bytes.size(), threads, [&](std::size_t i) {
    bytes[i] = travelling[i].masked ? ckks::serialize_rounded(context, ciphertexts[i])
                                    : ckks::serialize(context, ciphertexts[i]);
  });
  return bytes;
}

std::vector<ckks::Ciphertext> read_step(const encoder::InferencePlan& plan, std::size_t program, std::size_t step,
                                        ByteView payload, int threads) {
  const ckks::Context& context = *plan.circuits.context;
  const std::vector<circuit::Travelling> travelling = expected(plan.circuits, program, step);
  const std::vector<ByteView> views = split_ciphertexts(payload, step_sizes(plan, program, step));
  std::vector<ckks::Ciphertext> ciphertexts(views.size());
  parallel_for(views.size(), threads, [&](std::size_t i) {
    ciphertexts[i] =
        travelling[i].masked ? ckks::parse_rounded(context, views[i]) : ckks::parse_ciphertext(context, views[i]);
  });
  return ciphertexts;
}

}  // namespace thex::protocol
