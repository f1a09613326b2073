#include "thex/circuit/refresh.h"

#include "thex/base/error.h"
#include "thex/ckks/masked_refresh.h"

namespace thex::circuit {

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
