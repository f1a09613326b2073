// thex: private inference for BERT-style transformers under homomorphic encryption.
#include "thex/cli/command.h"
#include "thex/cli/process_start.h"

int main(int argc, char** argv) {
  namespace cli = thex::cli;
  cli::start_process();
  cli::reuse_message_buffers();
  CLI::App app("Private inference for BERT-style transformers under homomorphic encryption.", "thex");
  app.set_version_flag("--version", "thex " THEX_VERSION);
  app.footer(cli::exit_status_help());
  app.require_subcommand(1);
  cli::Command commands[9];
  cli::add_convert(app, commands[0]);
  cli::add_keygen(app, commands[1]);
  cli::add_serve(app, commands[2]);
  cli::add_classify(app, commands[3]);
  cli::add_eval(app, commands[4]);
  cli::add_inspect(app, commands[5]);
  cli::add_bench(app, commands[6]);
  cli::add_precision(app, commands[7]);
  cli::add_calibrate(app, commands[8]);
  for (const cli::Command& command : commands) command.app->footer(cli::exit_status_help());
  return cli::run_main(app, argc, argv, [&] {
    for (const cli::Command& command : commands) {
      if (command.app->parsed()) command.run();
    }
  });
}
