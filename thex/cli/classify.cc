// thex classify: one sentence, or a file of them, through a server that never sees them.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <vector>

#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/cli/client_setup.h"
#include "thex/cli/query.h"
#include "thex/cli/report.h"
#include "thex/cli/text_source.h"
#include "thex/data/layout_options.h"

namespace thex::cli {
namespace {

struct Options {
  ModelOptions model;
  ServerOptions server;
  data::Layout task;
  std::string text, pair, input;
  bool has_text = false, has_pair = false, json = false, ledger = false, details = false;
};

void print(const protocol::Classification& result, const Query& query, const protocol::ClientModel& model,
           const Options& o) {
  if (o.json) {
    std::cout << to_json(result, query, model).dump() << '\n';
  } else {
    std::cout << result_line(result, query, model) << '\n';
    if (o.details || o.input.empty()) std::cout << result_details(result, model);
  }
  std::cout.flush();  // results are streamed
  if (!std::cout) throw Error(ErrorCode::file, "cannot write the results to standard output");
}

void run(const Options& o) {
  if (o.has_text == !o.input.empty()) {
    throw Error(ErrorCode::usage, "name one text, or a file of them with --input");
  }
  if (o.task.any() && o.input.empty()) {
    throw Error(ErrorCode::usage, "--task, --format and the columns describe a file: they need --input");
  }
  if (o.has_pair && !o.has_text) {
    throw Error(ErrorCode::usage, "--pair goes with one text; name the column of a file with --pair-column");
  }
  ClientSetup setup(o.model);
  const protocol::ClientModel& model = setup.model();
  const auto query_of = [&](const Text& t) { return at(t, [&] { return make_query(t, model); }); };
  std::unique_ptr<TextSource> source;
  std::optional<Text> text;
  if (o.has_text) {
    text = Text{.text = o.text, .origin = "", .pair = o.has_pair ? std::optional(o.pair) : std::nullopt};
  } else {
    TextLayout layout;
    if (o.task.any())
      layout = data::task_of(o.task, o.input == "-" ? "" : o.input, model.model.config.task, model.model.config.labels);
    source = o.input == "-" ? texts_from_stream(std::cin, "standard input", layout)
                            : texts_from_file(o.input, layout, [&](const Text& t) { make_query(t, model); });
    text = source->next();
  }
  // Bad input is told before keys are made and a server is started.
  std::optional<Query> query;
  if (text) query = query_of(*text);
  protocol::Session& session = setup.connect(o.server);
  while (query) {
    print(session.classify(query->encoding), *query, model, o);
    text = source ? source->next() : std::nullopt;
    query = text ? std::optional(query_of(*text)) : std::nullopt;
  }
  if (o.ledger && !o.json) std::cout << "\n" << ledger_text(model.plan);
  if (o.ledger && o.json) std::cout << Json{{"ledger", ledger_json(model.plan)}}.dump() << '\n';
}

}  // namespace

void add_classify(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("classify", "Classify text through an encrypted query");
  CLI::Option* text = sub->add_option("text", o->text, "The text");
  CLI::Option* pair = sub->add_option("--pair", o->pair, "The second text, for models of text pairs");
  sub->add_option("-i,--input", o->input,
                  "A file with one text a line, or laid out as the next options say; - for standard input");
  data::add_layout_options(*sub, o->task, false);
  sub->add_flag("--details", o->details, "Phases, traffic and security for each line of a file too");
  sub->add_flag("--ledger", o->ledger, "End with the leakage ledger: who learns what");
  sub->add_flag("--json", o->json, "One JSON object a text");
  add_model_options(*sub, o->model);
  add_server_options(*sub, o->server);
  command.app = sub;
  command.run = [o, text, pair] {
    o->has_text = text->count() > 0;
    o->has_pair = pair->count() > 0;
    run(*o);
  };
}

}  // namespace thex::cli
