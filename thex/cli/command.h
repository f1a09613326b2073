// What the subcommands of `thex` have in common.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "thex/encoder/inference_plan.h"

namespace thex::cli {

// A subcommand registers itself and leaves in `run` what to do when it was chosen.
struct Command {
  CLI::App* app = nullptr;
  std::function<void()> run;
};

struct ModelOptions {
  std::string model;     // empty: the embedded one
  int max_tokens = 0;    // largest length bucket; 0: what the model was converted for
  std::string protocol;  // empty: the planner's choice
  std::string network;   // "20ms,100Mbit"; empty: the planner's assumption

  // What they ask the planner for. Throws Error(usage).
  encoder::PlanRequest plan_request() const;
  // The same as arguments of a command line.
  std::vector<std::string> plan_arguments() const;
};
void add_model_options(CLI::App& app, ModelOptions& options);

struct ServerOptions {
  std::string server;  // HOST:PORT; empty: a process of our own
  std::string keys;    // folder; empty: the default one of the plan
  int threads = 0;     // 0: all cores
  int timeout = 120;   // seconds for one message
};
void add_server_options(CLI::App& app, ServerOptions& options);
void add_threads_option(CLI::App& app, int& threads);
// The number of threads that an option means.
int thread_count(int option);

void add_convert(CLI::App& app, Command& command);
void add_keygen(CLI::App& app, Command& command);
void add_serve(CLI::App& app, Command& command);
void add_classify(CLI::App& app, Command& command);
void add_eval(CLI::App& app, Command& command);
void add_inspect(CLI::App& app, Command& command);
void add_bench(CLI::App& app, Command& command);
void add_precision(CLI::App& app, Command& command);
void add_calibrate(CLI::App& app, Command& command);

// Tells the allocator to keep buffers as large as messages, instead of mapping them afresh for every message.
void reuse_message_buffers();

// Throws Error(file) when what was printed has not all arrived.
void end_output();

// Parses, runs the chosen subcommand, and turns every failure into one line on stderr ("NAME: ...") and its exit
// status.
int run_main(CLI::App& app, int argc, char** argv, const std::function<void()>& run);

// The end of --help, in thex-convert too: what the exit statuses mean.
std::string exit_status_help();

}  // namespace thex::cli
