// thex classify: one sentence, or a file of them, through a server that never sees them.
#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "thex/base/error.h"
#include "thex/base/json.h"
#include "thex/base/printable.h"
#include "thex/cli/ask.h"
#include "thex/cli/client_setup.h"
#include "thex/cli/digest.h"
#include "thex/cli/layout_options.h"
#include "thex/cli/progress.h"
#include "thex/cli/query.h"
#include "thex/cli/report.h"
#include "thex/cli/results_file.h"
#include "thex/cli/text_source.h"

namespace thex::cli {
namespace {

// Texts of a file that are answered together. Few enough that an interruption loses little.
constexpr std::size_t kWindow = 128;

struct Options {
  ModelOptions model;
  ServerOptions server;
  data::Layout task;
  std::string text, pair, input, output;
  bool has_text = false, has_pair = false, one_by_one = false, json = false, ledger = false, details = false;
  bool force = false;
};

using Results = std::vector<std::optional<client::Answer>>;

void print(const client::Answer& result, const Query& query, const client::ClientModel& model, const Options& o,
           ResultsFile* file) {
  if (file) return file->append(to_json(result, query, model));
  if (o.json) {
    std::cout << json_line(to_json(result, query, model)) << '\n';
  } else {
    std::cout << result_line(result, query, model) << '\n';
    if (o.details || o.input.empty()) std::cout << result_details(result, model);
  }
  std::cout.flush();  // results are streamed
  if (!std::cout)
    throw Error(
        ErrorCode::file,
        "cannot write the results to standard output: it is closed, the disk is full, or who read them has ended");
}

// Answers a window and prints what is complete up to the first text that is not.
void answer(const std::vector<Query>& window, transport::Session& session, const client::ClientModel& model,
            const Options& o, ResultsFile* file, Progress& progress) {
  Results results(window.size());
  std::size_t printed = 0;
  std::vector<text::Encoding> sentences;
  for (const Query& query : window) sentences.push_back(query.encoding);
  ask(session, model, sentences, o.one_by_one,
      [&](std::span<const std::size_t> which, std::vector<client::Answer> answers) {
        for (std::size_t k = 0; k < which.size(); ++k) results[which[k]] = std::move(answers[k]);
        for (; printed < window.size() && results[printed]; ++printed)
          print(*results[printed], window[printed], model, o, file);
        progress.step(which.size());
      });
}

void check_usage(const Options& o) {
  if (o.has_text == !o.input.empty()) {
    throw Error(ErrorCode::usage, "name one text, or a file of them with --input");
  }
  if ((o.task.any() || o.task.skip_empty) && o.input.empty()) {
    throw Error(ErrorCode::usage, "--task, --format and the columns describe a file: they need --input");
  }
  if (o.has_pair && !o.has_text) {
    throw Error(ErrorCode::usage, "--pair goes with one text; name the column of a file with --pair-column");
  }
  if (o.force && o.output.empty()) throw Error(ErrorCode::usage, "--force replaces the file of --output: name one");
  if (!o.output.empty() && (o.input.empty() || o.input == "-")) {
    throw Error(ErrorCode::usage, "--output goes with a file of texts, --input");
  }
}

// The texts, how many there are as far as that is known, and a digest of all of them for --output.
struct Input {
  std::unique_ptr<TextSource> texts;
  data::ReadCounts counts;
  std::string digest;
};

Input open_input(const Options& o, const client::ClientModel& model) {
  Input input;
  if (o.has_text) {
    input.texts = text_from_argument(o.text, o.has_pair ? std::optional(o.pair) : std::nullopt);
    input.counts.examples = 1;
    return input;
  }
  const TextLayout layout = layout_of(o.task, o.input, model.model.config);
  if (o.input == "-") {
    input.texts = texts_from_stream(std::cin, "standard input", layout);
    return input;
  }
  Digest digest;
  input.texts = texts_from_file(
      o.input, layout,
      [&](const Text& text) {
        make_query(text, model);
        add(digest, text);
      },
      input.counts);
  if (input.counts.examples > 0) input.digest = digest.finish();
  return input;
}

void tell_counts(const data::ReadCounts& counts) {
  if (const std::string note = reading_note(counts, "texts"); !note.empty()) std::cerr << note << '\n';
}

// A file's results go on where an earlier run ended.
std::unique_ptr<ResultsFile> open_results(const Options& o, const ClientSetup& setup, const Input& input) {
  if (!o.input.empty() && o.input != "-") refuse_output_over_input(o.output, o.input, setup.folder());
  if (o.output.empty()) return nullptr;
  auto file =
      std::make_unique<ResultsFile>(o.output, *input.texts, ResultsOrigin{setup.model_digest(), input.digest}, o.force);
  if (file->found() > 0)
    std::cerr << fmt::format("{}: {} results are there already\n", printable(o.output), file->found());
  return file;
}

void run(const Options& o) {
  check_usage(o);
  ClientSetup setup(o.model);
  const client::ClientModel& model = setup.model();
  const Input input = open_input(o, model);
  const std::unique_ptr<ResultsFile> file = open_results(o, setup, input);
  tell_counts(input.counts);
  const bool batches = !o.one_by_one && o.input != "-" && model.plan.shapes.size() > model.plan.bucket_count();
  const auto next_window = [&] {
    std::vector<Query> window;
    while (window.size() < (batches ? kWindow : 1)) {
      std::optional<Text> text = file ? file->take_unfinished() : std::nullopt;
      if (!text) text = input.texts->next();
      // std::cin does not tell an error from the end.
      if (!text && o.input == "-" && std::ferror(stdin) != 0)
        throw Error(ErrorCode::file, "cannot read standard input: it is closed, a folder, or its device has failed");
      if (!text) break;
      window.push_back(at(*text, [&] { return make_query(*text, model); }));
    }
    return window;
  };
  // Bad input is told before keys are made and a server is started.
  std::vector<Query> window = next_window();
  if (!window.empty()) {
    transport::Session& session = setup.connect(o.server);
    const std::size_t count = input.counts.examples;
    Progress progress(count < 2 ? 0 : count - (file ? file->found() : 0));
    for (; !window.empty(); window = next_window()) answer(window, session, model, o, file.get(), progress);
  }
  if (file) file->finish();
  if (input.counts.examples == 0) tell_counts(input.texts->counts());  // a pipe: nobody knew at the start
  if (o.ledger && !o.json) std::cout << "\n" << ledger_text(model.plan);
  if (o.ledger && o.json) std::cout << json_line(Json{{"ledger", ledger_json(model.plan)}}) << '\n';
}

}  // namespace

void add_classify(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("classify", "Classify text through an encrypted query");
  CLI::Option* text = sub->add_option("text", o->text, "The text");
  CLI::Option* pair = sub->add_option("--pair", o->pair, "The second text, for models of text pairs");
  sub->add_option(
      "-i,--input", o->input,
      "A file of texts: one a line, or laid out as the ending of its name (.tsv, .csv, .json, .jsonl; .conll "
      "and the like, or a .txt of words with tags, for tag models) or the next options say; - for lines of standard "
      "input");
  add_layout_options(*sub, o->task, false);
  sub->add_option(
      "-o,--output", o->output,
      "Write the results of --input here, one JSON object a text; a run that was interrupted goes on there");
  sub->add_flag("--force", o->force, "Replace what is in the file of --output");
  sub->add_flag("--one-by-one", o->one_by_one,
                "Never several texts of a file in one query (otherwise where the plan has batches)");
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
