#include "thex/circuit/refresh.h"

#include "thex/base/error.h"
#include "thex/ckks/masked_refresh.h"

namespace thex::circuit {

bool leaves_scale(Op op) {
  switch (op) {
    case Op::rotate:
    case Op::add:
    case Op::subtract:
    case Op::multiply_integer:
    case Op::rotation_sum:
    case Op::multiply_i:
    case Op::conjugate:
    case Op::twice_real:
    case Op::twice_imaginary:
      return true;
    case Op::fresh:
    case Op::add_plain:
    case Op::weighted_sum:
    case Op::product_sum:
    case Op::linear_transform:
    case Op::refresh:
      return false;
  }
  throw Error(ErrorCode::internal, "an operation that may leave the scale or not");
}

const RefreshRule& rule_of(RefreshMethod method) {
  static constexpr RefreshRule kMaskedRound{
      .input = ckks::kRefreshLevel, .output = ckks::kRefreshLevel, .keeps_scale = true, .by_client = true};
  switch (method) {
    case RefreshMethod::masked_round:
      return kMaskedRound;
  }
  throw Error(ErrorCode::internal, "a way of refreshing without a rule");
}

void require_refreshable(const ckks::Context& context, RefreshMethod method) {
  switch (method) {
    case RefreshMethod::masked_round:
      ckks::refresh_mask_bits(context);
      return;
  }
}

bool comes_from_client(const Node& node) {
  return node.op == Op::fresh || (node.op == Op::refresh && rule_of(node.refresh).by_client);
}

bool starts_chain(const Node& node) { return node.op == Op::fresh || node.op == Op::refresh; }

}  // namespace thex::circuit
