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
#include "thex/cli/report.h"
#include "thex/cli/text_source.h"

namespace thex::cli {
namespace {

struct Options {
  ModelOptions model;
  ServerOptions server;
  std::string text, input, text_column;
  bool has_text = false, json = false, ledger = false, details = false;
};

void print(const protocol::Classification& result, const std::string& text, const protocol::ClientModel& model,
           const Options& o) {
  if (o.json) {
    std::cout << to_json(result, text, model).dump() << '\n';
  } else {
    std::cout << result_line(result, text, model) << '\n';
    if (o.details || o.input.empty()) std::cout << result_details(result, model);
  }
  std::cout.flush();  // results are streamed
  if (!std::cout) throw Error(ErrorCode::file, "cannot write the results to standard output");
}

void run(const Options& o) {
  if (o.has_text == !o.input.empty()) {
    throw Error(ErrorCode::usage, "name one text, or a file of them with --input");
  }
  if (!o.text_column.empty() && o.input.empty()) throw Error(ErrorCode::usage, "--text-column needs --input");
  ClientSetup setup(o.model);
  const protocol::ClientModel& model = setup.model();
  std::unique_ptr<TextSource> source;
  if (o.has_text) {
    source = text_from_argument(o.text);
  } else {
    source = o.input == "-"
                 ? texts_from_stream(std::cin, "standard input", o.text_column)
                 : texts_from_file(o.input, o.text_column, [&](const std::string& text) { model.encode(text); });
  }
  std::optional<Text> text = source->next();
  // Bad input is told before keys are made and a server is started.
  const auto encode = [&](const Text& t) { return at(t, [&] { return model.encode(t.text); }); };
  if (text) encode(*text);
  protocol::Session& session = setup.connect(o.server);
  for (; text; text = source->next()) {
    encode(*text);
    print(session.classify(text->text), text->text, model, o);
  }
  if (o.ledger && !o.json) std::cout << "\n" << ledger_text(model.plan);
  if (o.ledger && o.json) std::cout << Json{{"ledger", ledger_json(model.plan)}}.dump() << '\n';
}

}  // namespace

void add_classify(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("classify", "Classify text through an encrypted query");
  CLI::Option* text = sub->add_option("text", o->text, "The text");
  sub->add_option("-i,--input", o->input, "A file with one text a line; - for standard input");
  sub->add_option("--text-column", o->text_column,
                  "The file is tab-separated with a header line; classify this column");
  sub->add_flag("--details", o->details, "Phases, traffic and security for each line of a file too");
  sub->add_flag("--ledger", o->ledger, "End with the leakage ledger: who learns what");
  sub->add_flag("--json", o->json, "One JSON object a text");
  add_model_options(*sub, o->model);
  add_server_options(*sub, o->server);
  command.app = sub;
  command.run = [o, text] {
    o->has_text = text->count() > 0;
    run(*o);
  };
}

}  // namespace thex::cli
