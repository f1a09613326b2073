// thex keygen: a secret key for the client, and the evaluation keys that its servers need.
#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <memory>

#include "thex/base/clock.h"
#include "thex/base/hex.h"
#include "thex/base/json.h"
#include "thex/base/printable.h"
#include "thex/cli/command.h"
#include "thex/cli/locations.h"
#include "thex/cli/report.h"
#include "thex/client/key_files.h"
#include "thex/encoder/inference_plan.h"

namespace thex::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string output;
  bool force = false, json = false;
};

void run(const Options& o) {
  const auto plan = encoder::plan_inference(model::load_config(find_model(o.model.model)), o.model.plan_request());
  const std::filesystem::path folder =
      o.output.empty() ? client::default_key_folder(plan) : std::filesystem::path(o.output);
  const auto start = Clock::now();
  const auto keys =
      client::generate_keys(plan, folder, o.force, [](const std::string& line) { std::cerr << line << std::endl; });
  const double seconds = seconds_since(start);
  const auto size = std::filesystem::file_size(folder / "eval.keys");
  if (o.json) {
    Json json;
    json["folder"] = folder.string();
    json["plan"] = plan.fingerprint;
    json["security_bits"] = plan.circuits.context->security_bits();
    json["secret_key"] = (folder / "secret.key").string();
    json["evaluation_keys"] = (folder / "eval.keys").string();
    json["evaluation_key_bytes"] = size;
    json["evaluation_key_fingerprint"] = hex(keys.fingerprint);
    json["seconds"] = seconds;
    std::cout << json_line(json) << '\n';
  } else {
    std::cout << fmt::format(
        "{}  keep it secret\n{}  {} for the server, sent once\nplan {}, {} bits (classical), {:.2f} s\n",
        printable((folder / "secret.key").string()), printable((folder / "eval.keys").string()),
        megabytes(static_cast<double>(size)), plan.fingerprint, plan.circuits.context->security_bits(), seconds);
  }
}

}  // namespace

void add_keygen(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("keygen", "Make a client's keys for a model");
  sub->add_option("-o,--output", o->output, "Folder (default: ${THEX_HOME:-~/.thex}/keys/PLAN)");
  sub->add_flag("--force", o->force, "Replace keys that are there");
  sub->add_flag("--json", o->json, "One JSON object on stdout");
  add_model_options(*sub, o->model);
  command.app = sub;
  command.run = [o] { run(*o); };
}

}  // namespace thex::cli
