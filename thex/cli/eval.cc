// thex eval: how good a model is on a labelled file, in clear, with simulated noise, or through encrypted queries.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "thex/base/clock.h"
#include "thex/base/error.h"
#include "thex/base/json.h"
#include "thex/base/printable.h"
#include "thex/cli/evaluation.h"
#include "thex/cli/layout_options.h"
#include "thex/cli/report.h"
#include "thex/data/labels.h"
#include "thex/data/tags.h"

namespace thex::cli {
namespace {

struct Options : EvaluationOptions {
  std::string mode = "plain";
  bool json = false;
};

void add_comparison(Json& json, const Evaluation& evaluation, const EvaluationRun& run) {
  const RunComparison c = evaluation.compare(evaluation.plain(), run);
  json["max_logit_error"] = c.max_logit_error;
  const model::Task kind = evaluation.task().kind;
  if (!row_of(kind).classes) {
    json["max_value_error"] = c.max_logit_error;  // the one logit is the value
    return;
  }
  const double share = c.decisions ? static_cast<double>(c.equal) / static_cast<double>(c.decisions) : 1.0;
  json[by_token(kind) ? "tag_agreement" : "label_agreement"] = share;
  json["margin"] = kMargin;
  json["confident_disagreements"] = c.confident_disagreements;
}

void print(const Json& json, const Options& o) {
  if (o.json) {
    std::cout << json_line(json) << '\n';
    return;
  }
  const auto line = [](const std::string& key, const Json& value) {
    const std::string text = value.is_string()         ? printable(value.get<std::string>())
                             : value.is_number_float() ? fmt::format("{:.6g}", value.get<double>())
                                                       : value.dump();
    std::cout << fmt::format("{:<24}{}\n", printable(key), text);
  };
  for (const auto& [key, value] : json.items()) {
    if (key == "metric" || key == "value") continue;  // among the metrics
    if (!value.is_object()) {
      line(key, value);
      continue;
    }
    for (const auto& [name, number] : value.items()) line(name, number);
  }
}

// Which class f1 counts, and which entities.
void add_meaning(Json& json, const Evaluation& evaluation) {
  const data::TaskSpec& task = evaluation.task();
  const auto positive = data::positive_class(task);
  if (positive) json["positive_label"] = task.labels[*positive];
  if (task.kind == model::Task::classification && !positive) json["f1_average"] = "macro";
  if (!by_token(task.kind)) return;
  const auto scheme = data::scheme_of(task.labels);
  json["tag_scheme"] = scheme ? Json(scheme->name()) : Json(nullptr);
  if (!evaluation.data_tag_scheme().empty()) json["data_tag_scheme"] = evaluation.data_tag_scheme();
  if (!scheme) json["note"] = "no entity_f1: " + data::why_no_scheme(task.labels);
}

void add_queries(Json& json, const EvaluationRun& run, std::size_t examples) {
  if (run.seconds.empty()) return;
  double sum = 0;
  for (const double s : run.seconds) sum += s;
  json["queries"] = run.seconds.size();
  json["mean_query_seconds"] = sum / static_cast<double>(run.seconds.size());
  json["max_query_seconds"] = *std::max_element(run.seconds.begin(), run.seconds.end());
  json["mean_example_seconds"] = sum / static_cast<double>(examples);
  json["bytes_sent"] = run.bytes_sent;
  json["bytes_received"] = run.bytes_received;
}

void run(const Options& o) {
  const auto start = Clock::now();
  const Evaluation evaluation(o);
  const data::ReadCounts& counts = evaluation.counts();
  if (const std::string note = reading_note(counts, "examples"); !note.empty()) std::cerr << note << '\n';
  const EvaluationRun result = o.mode == "plain"      ? evaluation.plain()
                               : o.mode == "simulate" ? evaluation.simulate()
                                                      : evaluation.encrypted();
  const data::TaskSpec& task = evaluation.task();
  const auto scores = evaluation.scores(result);
  Json json;
  json["mode"] = o.mode;
  if (result.protocol) {
    json["protocol"] = model::name_of(*result.protocol);
    json["rounds"] = result.rounds;
  }
  json["task"] = task.name;
  json["kind"] = model::name_of(task.kind);
  json["metric"] = data::name(task.metrics.front());
  json["value"] = scores.at(data::name(task.metrics.front()));
  for (const data::Metric metric : task.metrics) json["metrics"][data::name(metric)] = scores.at(data::name(metric));
  add_meaning(json, evaluation);
  json["examples"] = evaluation.examples();
  if (counts.empty > 0) json["empty"] = counts.empty;
  if (counts.skipped_empty > 0) json["skipped_empty"] = counts.skipped_empty;
  if (counts.skipped_short > 0) json["skipped_short"] = counts.skipped_short;
  if (by_token(task.kind)) json["words"] = evaluation.words();
  if (o.mode != "plain") add_comparison(json, evaluation, result);
  add_queries(json, result, evaluation.examples());
  json["seconds"] = seconds_since(start);
  print(json, o);
}

}  // namespace

void add_eval(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("eval", "Metrics of a model on a labelled file");
  sub->add_option("--mode", o->mode,
                  "plain: the clear model; simulate: the circuit in clear with the noise of its plan; encrypted: real "
                  "queries. The "
                  "last two are also compared with plain")
      ->capture_default_str()
      ->check(CLI::IsMember({"plain", "simulate", "encrypted"}));
  sub->add_option("-d,--data", o->data,
                  "Labelled file (default: the task's dev set in $THEX_DATA, glue/SST-2/dev.tsv)");
  add_layout_options(*sub, o->task, true);
  sub->add_option("--limit", o->limit, "Only the first so many examples")->check(CLI::Range(1, 1'000'000'000));
  sub->add_flag("--one-by-one", o->one_by_one, "encrypted: never several examples in one query");
  sub->add_flag("--json", o->json, "One JSON object on stdout");
  add_model_options(*sub, o->model);
  add_server_options(*sub, o->server);
  command.app = sub;
  command.run = [o] { run(*o); };
}

}  // namespace thex::cli
