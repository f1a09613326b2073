// Where the parts of an installation are: the embedded model, and the programs beside this one.
#pragma once

#include <filesystem>
#include <string>

namespace thex::cli {

// The folder to use for `--model OPTION`: the option, else $THEX_MODEL, else the embedded model beside the executable
// (../models, ../share/thex/models) or in the source tree. Throws Error(model) when there is none.
std::filesystem::path find_model(const std::string& option);

// "thex-server" or "thex-convert": beside this executable or in ../libexec/thex. Empty when it is not there.
std::filesystem::path find_program(const std::string& name);

}  // namespace thex::cli
