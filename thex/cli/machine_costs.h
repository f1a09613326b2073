// What operations cost on this machine, as `thex bench --calibrate` measured and left it for `thex inspect`.
#pragma once

#include <filesystem>
#include <optional>

#include "thex/circuit/cost_model.h"

namespace thex::cli {

// In the user's folder (base/home_folder.h), one file. Throws Error(usage) where there is none.
std::filesystem::path machine_costs_file();

// Throws Error(file).
void save_machine_costs(const circuit::OperationFactors& factors);

// Nothing when none were measured, or on another processor or with another instruction set than this process has.
// Throws Error(model) for a damaged file, which it says to delete.
std::optional<circuit::OperationFactors> load_machine_costs();

}  // namespace thex::cli
