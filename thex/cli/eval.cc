// thex eval: accuracy on a labelled file, in clear, with simulated noise, or through encrypted queries.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <vector>

#include "thex/base/error.h"
#include "thex/bert/dataset.h"
#include "thex/bert/reference.h"
#include "thex/circuit/clear.h"
#include "thex/cli/client_setup.h"
#include "thex/cli/locations.h"
#include "thex/cli/report.h"
#include "thex/protocol/parallel.h"

namespace thex::cli {
namespace {

// Where the two best logits of the clear model are closer than this, the encrypted run may decide differently.
constexpr double kMargin = 0.05;

struct Options {
  ModelOptions model;
  ServerOptions server;
  std::string mode = "plain", data, text_column = "sentence", label_column = "label";
  std::size_t limit = 0;
  bool json = false;
};

// What one mode made of every example.
struct Run {
  std::vector<std::vector<double>> logits;
  std::vector<double> seconds;  // encrypted: round trips
  std::uint64_t bytes_sent = 0, bytes_received = 0;
};

class Progress {
 public:
  explicit Progress(std::size_t total) : total_(total), terminal_(::isatty(STDERR_FILENO) == 1) {}
  ~Progress() {
    if (terminal_) std::cerr << "\r\033[K";
  }
  void step() {
    const std::size_t done = ++done_;
    if (terminal_) std::cerr << fmt::format("\r{} of {}", done, total_) << std::flush;
  }

 private:
  std::size_t total_;
  bool terminal_;
  std::atomic<std::size_t> done_{0};
};

std::string data_file(const std::string& option) {
  if (!option.empty()) return option;
  const char* folder = std::getenv("THEX_DATA");
  if (folder && *folder) return std::string(folder) + "/glue/SST-2/dev.tsv";
  throw Error(ErrorCode::usage,
              "name the labelled file with --data, or set THEX_DATA to the folder of glue/SST-2/dev.tsv");
}

double margin(const std::vector<double>& logits) {
  std::vector<double> sorted = logits;
  std::partial_sort(sorted.begin(), sorted.begin() + 2, sorted.end(), std::greater<>());
  return sorted[0] - sorted[1];
}

struct Comparison {
  double max_logit_error = 0, agreement = 0;
  std::size_t confident_disagreements = 0;
};

Comparison compare(const std::vector<std::vector<double>>& clear, const std::vector<std::vector<double>>& other) {
  Comparison c;
  std::size_t agree = 0;
  for (std::size_t i = 0; i < clear.size(); ++i) {
    for (std::size_t j = 0; j < clear[i].size(); ++j) {
      c.max_logit_error = std::max(c.max_logit_error, std::abs(clear[i][j] - other[i].at(j)));
    }
    const bool same = protocol::top_label(clear[i]).first == protocol::top_label(other[i]).first;
    agree += same;
    if (!same && margin(clear[i]) > kMargin) ++c.confident_disagreements;
  }
  c.agreement = static_cast<double>(agree) / static_cast<double>(clear.size());
  return c;
}

class Evaluation {
 public:
  explicit Evaluation(const Options& o)
      : o_(o),
        folder_(find_model(o.model.model)),
        threads_(thread_count(o.server.threads)),
        model_(std::make_shared<const bert::Model>(bert::load_model(folder_, bert::Part::all))) {
    const bert::ModelConfig& config = model_->config;
    if (config.labels.size() < 2) throw Error(ErrorCode::model, folder_.string() + " has no classification head");
    examples_ =
        bert::read_tsv(data_file(o.data), o.text_column, o.label_column, static_cast<int>(config.labels.size()));
    if (o.limit > 0 && examples_.size() > o.limit) examples_.resize(o.limit);
    // Longer texts are cut as in training.
    const auto tokenizer = bert::Tokenizer::load(folder_ / "vocab.txt", config.do_lower_case);
    const int length = std::min(o.model.max_tokens, config.max_positions);
    for (const bert::Example& example : examples_) {
      const auto pair = example.pair ? std::optional<std::string_view>(*example.pair) : std::nullopt;
      encodings_.push_back(tokenizer.encode(example.text, pair, length, true));
    }
  }

  Run plain() const {
    Run run = empty();
    Progress progress(examples_.size());
    protocol::parallel_for(examples_.size(), threads_, [&](std::size_t i) {
      run.logits[i] = bert::forward(*model_, encodings_[i].ids, encodings_[i].type_ids).logits;
      progress.step();
    });
    return run;
  }

  Run simulate() const {
    const bert::InferencePlan plan = bert::plan_inference(model_, o_.model.max_tokens);
    Run run = empty();
    Progress progress(examples_.size());
    protocol::parallel_for(examples_.size(), threads_, [&](std::size_t i) {
      const auto& e = encodings_[i];
      const int tokens = static_cast<int>(e.ids.size());
      const std::size_t bucket = plan.bucket_for(tokens);
      const circuit::NoiseModel noise{plan.plan.context.get(), &plan.plan.program_plans[bucket], i};
      run.logits[i] =
          circuit::run_clear(plan.plan.programs[bucket], bert::embed(*model_, e.ids, e.type_ids), tokens, noise).logits;
      progress.step();
    });
    return run;
  }

  Run encrypted() const {
    ClientSetup setup(o_.model);
    protocol::Session& session = setup.connect(o_.server);
    Run run = empty();
    Progress progress(examples_.size());
    for (std::size_t i = 0; i < examples_.size(); ++i) {
      const auto result = session.classify(encodings_[i]);
      run.logits[i] = result.logits;
      run.seconds.push_back(result.seconds.total);
      run.bytes_sent += result.bytes_sent;
      run.bytes_received += result.bytes_received;
      progress.step();
    }
    return run;
  }

  double accuracy(const Run& run) const {
    std::size_t correct = 0;
    for (std::size_t i = 0; i < examples_.size(); ++i) {
      correct += protocol::top_label(run.logits[i]).first == static_cast<std::size_t>(examples_[i].label);
    }
    return static_cast<double>(correct) / static_cast<double>(examples_.size());
  }

  std::size_t examples() const { return examples_.size(); }

 private:
  Run empty() const {
    Run run;
    run.logits.resize(examples_.size());
    return run;
  }

  const Options& o_;
  std::filesystem::path folder_;
  int threads_;
  std::shared_ptr<const bert::Model> model_;
  std::vector<bert::Example> examples_;
  std::vector<bert::Encoding> encodings_;
};

void print(const Json& json, const Options& o) {
  if (o.json) {
    std::cout << json.dump() << '\n';
    return;
  }
  for (const auto& [key, value] : json.items()) {
    const std::string text = value.is_string()         ? value.get<std::string>()
                             : value.is_number_float() ? fmt::format("{:.6g}", value.get<double>())
                                                       : value.dump();
    std::cout << fmt::format("{:<24}{}\n", key, text);
  }
}

void run(const Options& o) {
  const auto start = std::chrono::steady_clock::now();
  const Evaluation evaluation(o);
  const Run result = o.mode == "plain"      ? evaluation.plain()
                     : o.mode == "simulate" ? evaluation.simulate()
                                            : evaluation.encrypted();
  Json json;
  json["mode"] = o.mode;
  json["metric"] = "accuracy";
  json["value"] = evaluation.accuracy(result);
  json["examples"] = evaluation.examples();
  if (o.mode != "plain") {
    const Comparison c = compare(evaluation.plain().logits, result.logits);
    json["max_logit_error"] = c.max_logit_error;
    json["label_agreement"] = c.agreement;
    json["margin"] = kMargin;
    json["confident_disagreements"] = c.confident_disagreements;
  }
  if (!result.seconds.empty()) {
    double sum = 0;
    for (const double s : result.seconds) sum += s;
    json["mean_query_seconds"] = sum / static_cast<double>(result.seconds.size());
    json["max_query_seconds"] = *std::max_element(result.seconds.begin(), result.seconds.end());
    json["bytes_sent"] = result.bytes_sent;
    json["bytes_received"] = result.bytes_received;
  }
  json["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  print(json, o);
}

}  // namespace

void add_eval(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("eval", "Accuracy on a labelled tab-separated file");
  sub->add_option("--mode", o->mode,
                  "plain: the clear model; simulate: the circuit in clear with the noise of its plan; encrypted: real "
                  "queries. The "
                  "last two are also compared with plain")
      ->capture_default_str()
      ->check(CLI::IsMember({"plain", "simulate", "encrypted"}));
  sub->add_option("-d,--data", o->data, "File with a header line (default: $THEX_DATA/glue/SST-2/dev.tsv)");
  sub->add_option("--text-column", o->text_column, "Column of the text")->capture_default_str();
  sub->add_option("--label-column", o->label_column, "Column of the label, a number")->capture_default_str();
  sub->add_option("--limit", o->limit, "Only the first so many examples");
  sub->add_flag("--json", o->json, "One JSON object on stdout");
  add_model_options(*sub, o->model);
  add_server_options(*sub, o->server);
  command.app = sub;
  command.run = [o] { run(*o); };
}

}  // namespace thex::cli
