// The leakage ledger: what each party learns from a query of a model, in words and with the plan's numbers.
#pragma once

#include <vector>

#include "thex/encoder/inference_plan.h"
#include "thex/model/config.h"

namespace thex::encoder {

// The plan is complete but for its ledger.
std::vector<LedgerEntry> make_ledger(const model::ModelConfig& config, const InferencePlan& plan);

}  // namespace thex::encoder
