// The command lines of thex-convert: what both commands share, and what each adds. Trainings' options come from the
// lists of workflow_options.h and plain_options.h.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <string>

#include "thex/base/machine_threads.h"
#include "thex/convert/model_folder.h"
#include "thex/convert/plain_options.h"
#include "thex/convert/task_arguments.h"
#include "thex/convert/workflow_options.h"

namespace thex::convert {

struct CommonArguments {
  TaskArguments task;
  std::filesystem::path train, dev, out, work;
  std::filesystem::path teacher;        // empty: none was named
  std::optional<std::size_t> variants;  // of training examples, for a teacher to label
  std::string device = "cpu";
  int threads = machine_threads();
  std::uint64_t seed = 1;
  std::size_t held_out = 0;  // 0: 2,000, or a tenth of a smaller training file; load_task puts the number in
  int max_length = 128;
  bool force = false, quick = false, quiet = false;

  OutputPaths outputs() const { return {out, work, force}; }
};

struct ConvertArguments : CommonArguments {
  std::filesystem::path model;
  std::string profile = "default";
  std::optional<std::string> protocol;
  std::vector<std::filesystem::path> texts;  // more texts without labels
  bool backbone = false;
  WorkflowOptions workflow;     // as typed; suited_options fills in the rest
  std::set<std::string> given;  // names of the workflow's options that were typed
  FineTuneOptions plain;        // with `backbone`
};

struct MakePlainArguments : CommonArguments {
  std::filesystem::path backbone, start;
  PlainOptions plain;
  std::set<std::string> given;
  bool labels_only = false;
};

void add_convert_options(CLI::App& app, ConvertArguments& arguments);
void add_make_plain_options(CLI::App& app, MakePlainArguments& arguments);

// These return -1 when everything was parsed and checked, 0 after help on stdout. Throw Error(usage) that names option,
// value and range. The folder of checkpoints has its default and outputs are checked against inputs (see check_output,
// which throws).
int parse_convert(int argc, char** argv, ConvertArguments& arguments);
int parse_make_plain(int argc, char** argv, MakePlainArguments& arguments);

}  // namespace thex::convert
