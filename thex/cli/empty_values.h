// Options that were given without a value.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace thex::cli {

// Throws CLI::ParseError for an option whose value is empty: that is a variable of a shell script that was not set, and
// would count as an option that was not given, so that another model, server or file is taken silently. Texts (the
// positional arguments and --pair) may be empty here; who reads them says what is wrong.
inline void refuse_empty_values(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional() || option->check_name("--pair")) continue;
    for (const std::string& value : option->results()) {
      if (value.empty())
        throw CLI::ValidationError(option->get_name(), "the value is empty; leave the option out, or give it one");
    }
  }
  for (const CLI::App* command : app.get_subcommands()) refuse_empty_values(*command);
}

}  // namespace thex::cli
