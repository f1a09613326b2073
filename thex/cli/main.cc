// thex: private inference for BERT-style transformers under homomorphic encryption.
#include "thex/cli/command.h"

int main(int argc, char** argv) {
  using namespace thex::cli;
  reuse_message_buffers();
  CLI::App app("Private inference for BERT-style transformers under homomorphic encryption.", "thex");
  app.set_version_flag("--version", "thex " THEX_VERSION);
  app.footer(exit_status_help());
  app.require_subcommand(1);
  Command commands[8];
  add_convert(app, commands[0]);
  add_keygen(app, commands[1]);
  add_serve(app, commands[2]);
  add_classify(app, commands[3]);
  add_eval(app, commands[4]);
  add_inspect(app, commands[5]);
  add_bench(app, commands[6]);
  add_precision(app, commands[7]);
  for (const Command& command : commands) command.app->footer(exit_status_help());
  return run_main(app, argc, argv, [&] {
    for (const Command& command : commands) {
      if (command.app->parsed()) command.run();
    }
  });
}
