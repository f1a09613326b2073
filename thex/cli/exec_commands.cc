// `thex serve` and `thex convert` are programs of their own: the server links no code that decrypts, and only the
// converter links libtorch. `thex` becomes the program with the same arguments.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <vector>

#include "thex/base/error.h"
#include "thex/cli/command.h"
#include "thex/cli/locations.h"

namespace thex::cli {
namespace {

[[noreturn]] void become(const std::string& program, const std::string& if_missing,
                         std::vector<std::string> arguments) {
  const auto path = find_program(program);
  if (path.empty()) throw Error(ErrorCode::file, if_missing);
  arguments.insert(arguments.begin(), program);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::cout.flush();
  ::execv(path.c_str(), argv.data());
  throw Error(ErrorCode::file,
              fmt::format("cannot run {}: {}; install thex anew", path.string(), std::strerror(errno)));
}

// All arguments, --help too, are the program's.
CLI::App* add_forwarded(CLI::App& app, const std::string& name, const std::string& description) {
  CLI::App* sub = app.add_subcommand(name, description);
  sub->set_help_flag();
  sub->prefix_command();
  return sub;
}

}  // namespace

void add_convert(CLI::App& app, Command& command) {
  command.app = add_forwarded(app, "convert", "Turn a fine-tuned BERT into an HE-friendly model");
  command.run = [sub = command.app] {
    become("thex-convert",
           "this installation has no thex-convert; build it with -DTHEX_TRAINING=ON (it needs libtorch)",
           sub->remaining());
  };
}

void add_serve(CLI::App& app, Command& command) {
  command.app = add_forwarded(app, "serve", "Serve a model to clients; sees ciphertexts only");
  command.run = [sub = command.app] {
    become("thex-server", "this installation has no thex-server beside thex; build that target too", sub->remaining());
  };
}

}  // namespace thex::cli
