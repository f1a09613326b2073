#include "thex/cli/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <random>

#include "thex/base/error.h"
#include "thex/base/parallel.h"
#include "thex/circuit/run/clear.h"
#include "thex/cli/ask.h"
#include "thex/cli/client_setup.h"
#include "thex/cli/locations.h"
#include "thex/cli/progress.h"
#include "thex/data/example_reader.h"
#include "thex/data/labels.h"
#include "thex/model/reference.h"
#include "thex/model/tokenizer_files.h"

namespace thex::cli {
namespace {

using model::Task;

std::string data_file(const EvaluationOptions& o) {
  if (!o.task.preset.empty()) data::preset(o.task.preset);  // an unknown task is told before a missing file
  if (!o.data.empty()) return o.data;
  const char* folder = std::getenv("THEX_DATA");
  const std::string file = data::usual_dev_file(o.task.preset);
  if (folder && *folder && !file.empty()) return std::string(folder) + "/" + file;
  throw Error(ErrorCode::usage, "name the labelled file with --data" +
                                    (file.empty() ? "" : ", or set THEX_DATA to the folder of " + file));
}

double margin(std::span<const double> logits) {
  std::vector<double> sorted(logits.begin(), logits.end());
  std::partial_sort(sorted.begin(), sorted.begin() + 2, sorted.end(), std::greater<>());
  return sorted[0] - sorted[1];
}

}  // namespace

Evaluation::Evaluation(const EvaluationOptions& o)
    : options_(o),
      folder_(find_model(o.model.model)),
      threads_(thread_count(o.server.threads)),
      model_(std::make_shared<const model::Model>(model::load_model(folder_, model::Part::all))) {
  const model::ModelConfig& config = model_->config;
  if (!model_->prefix.empty()) std::cerr << fmt::format("{}: {}\n", folder_.string(), model_->prefix_note());
  if (config.labels.empty())
    throw Error(ErrorCode::model,
                folder_.string() +
                    " has no head (classifier.weight and classifier.bias, beside the encoder and behind the same "
                    "prefix): fine-tune it for a task first, as 'thex convert --backbone' does");
  if (config.labels.size() < row_of(config.task).least_labels) {
    throw Error(ErrorCode::model, folder_.string() +
                                      "/config.json: id2label has one label, a classifier needs two; a regression's "
                                      "problem_type is \"regression\"");
  }
  data::require_distinct(config.labels, (folder_ / "config.json").string());
  const std::string file = data_file(o);
  task_ = data::task_of(o.task, file, config.task, config.labels);
  if (!task_.columns.pair.empty()) model::require_pairs(config);
  if (row_of(task_.kind).classes) match_labels(config);
  read(file);
}

void Evaluation::match_labels(const model::ModelConfig& config) {
  const std::vector<int> to_model = data::match_labels(task_.labels, config.labels);
  from_model_.assign(to_model.size(), 0);
  for (std::size_t i = 0; i < to_model.size(); ++i)
    from_model_[static_cast<std::size_t>(to_model[i])] = static_cast<int>(i);
  const auto outside = std::find(task_.labels.begin(), task_.labels.end(), "O");
  if (outside != task_.labels.end()) outside_ = static_cast<int>(outside - task_.labels.begin());
}

void Evaluation::read(const std::string& file) {
  const model::ModelConfig& config = model_->config;
  const auto tokenizer = model::load_tokenizer(folder_, config);
  const int asked = options_.model.max_tokens, made_for = config.thex.value_or(model::HeSection{}).max_tokens;
  const int length = std::min(asked > 0 ? asked : made_for, config.max_positions);
  std::ifstream stream = data::open_data_file(file);
  data::ExampleReader reader(stream, file, task_);
  while (!options_.limit || examples_.size() < *options_.limit) {
    auto example = reader.next();
    if (!example) break;
    try {
      encodings_.push_back(encode(tokenizer, *example, length));
    } catch (const Error& error) {
      throw Error(error.code(), reader.origin() + ": " + error.what());
    }
    examples_.push_back(*std::move(example));
  }
  counts_ = reader.counts();
  data_tag_scheme_ = reader.tag_scheme();
  if (examples_.empty()) {
    throw Error(ErrorCode::input, file + (counts_.skipped_empty > 0 ? ": all examples are empty; leave out --skip-empty"
                                                                    : ": no examples; is the file complete?"));
  }
}

Evaluation::Encoded Evaluation::encode(const text::Tokenizer& tokenizer, const data::Example& example,
                                       int length) const {
  Encoded out;
  if (!by_token(task_.kind)) {
    const auto pair = example.pair ? std::optional<std::string_view>(*example.pair) : std::nullopt;
    out.tokens = tokenizer.encode(example.text, pair, length);
    return out;
  }
  out.tokens = tokenizer.encode_words(example.words, length);
  out.first = out.tokens.first_tokens(example.words.size());
  return out;
}

EvaluationRun Evaluation::empty() const {
  EvaluationRun run;
  run.logits.resize(examples_.size());
  return run;
}

EvaluationRun Evaluation::plain() const {
  EvaluationRun run = empty();
  Progress progress(examples_.size());
  parallel_for(examples_.size(), threads_, [&](std::size_t i) {
    run.logits[i] = model::forward(*model_, encodings_[i].tokens.ids, encodings_[i].tokens.type_ids).logits;
    progress.step();
  });
  return run;
}

EvaluationRun Evaluation::simulate() const {
  const encoder::InferencePlan plan = encoder::plan_inference(model_, options_.model.plan_request());
  EvaluationRun run = empty();
  run.protocol = plan.protocol, run.rounds = plan.rounds;
  Progress progress(examples_.size());
  parallel_for(examples_.size(), threads_, [&](std::size_t i) {
    const text::Encoding& e = encodings_[i].tokens;
    const int tokens = static_cast<int>(e.ids.size());
    const std::size_t bucket = plan.program_for(tokens);
    const circuit::NoiseModel noise{plan.circuits.context.get(), &plan.circuits.program_plans[bucket], i};
    run.logits[i] =
        circuit::run_clear(plan.circuits.programs[bucket], model::embed(*model_, e.ids, e.type_ids), tokens, noise)
            .logits;
    if (const double flood = plan.flood_deviation(bucket); flood > 0) {
      std::mt19937_64 engine(i);
      std::normal_distribution<double> normal(0, flood);
      for (double& logit : run.logits[i]) logit += normal(engine);
    }
    progress.step();
  });
  return run;
}

EvaluationRun Evaluation::encrypted() const {
  ClientSetup setup(options_.model);
  transport::Session& session = setup.connect(options_.server);
  EvaluationRun run = empty();
  run.protocol = setup.model().plan.protocol, run.rounds = setup.model().plan.rounds;
  Progress progress(examples_.size());
  std::vector<text::Encoding> sentences;
  for (const Encoded& e : encodings_) sentences.push_back(e.tokens);
  ask(session, setup.model(), sentences, options_.one_by_one,
      [&](std::span<const std::size_t> which, std::vector<client::Answer> answers) {
        for (std::size_t k = 0; k < which.size(); ++k) run.logits[which[k]] = std::move(answers[k].logits);
        run.seconds.push_back(answers[0].seconds.total);
        run.bytes_sent += answers[0].bytes_sent;
        run.bytes_received += answers[0].bytes_received;
        progress.step(which.size());
      });
  return run;
}

int Evaluation::best_label(std::span<const double> logits) const {
  if (logits.empty()) return outside_;
  return from_model_[static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())];
}

// The logits of the text or, for token classification, of the first token of each word; none for a word without tokens.
std::vector<std::span<const double>> Evaluation::decisions(const std::vector<double>& logits,
                                                           std::size_t example) const {
  const std::size_t labels = from_model_.size(), tokens = encodings_[example].tokens.ids.size();
  const bool words = by_token(task_.kind);
  if (logits.size() != (words ? tokens : 1) * labels) {
    throw Error(ErrorCode::internal,
                fmt::format("{} logits for {} tokens and {} labels", logits.size(), tokens, labels));
  }
  const std::span<const double> all(logits);
  if (!words) return {all};
  std::vector<std::span<const double>> out;
  for (const auto& token : encodings_[example].first)
    out.push_back(token ? all.subspan(*token * labels, labels) : std::span<const double>());
  return out;
}

std::size_t Evaluation::words() const {
  std::size_t sum = 0;
  for (const data::Example& example : examples_) sum += example.words.size();
  return sum;
}

std::map<std::string, double> Evaluation::scores(const EvaluationRun& run) const {
  data::Outcomes outcomes;
  for (std::size_t i = 0; i < examples_.size(); ++i) {
    if (task_.kind == Task::regression) {
      outcomes.predicted_value.push_back(run.logits[i].at(0));
      outcomes.gold_value.push_back(examples_[i].value);
    } else if (task_.kind == Task::classification) {
      outcomes.predicted.push_back(best_label(decisions(run.logits[i], i).front()));
      outcomes.gold.push_back(examples_[i].label);
    } else {
      std::vector<int> tags;
      for (const auto& logits : decisions(run.logits[i], i)) tags.push_back(best_label(logits));
      outcomes.predicted_tags.push_back(std::move(tags));
      outcomes.gold_tags.push_back(examples_[i].tags);
    }
  }
  return data::scores(task_, outcomes);
}

RunComparison Evaluation::compare(const EvaluationRun& clear, const EvaluationRun& other) const {
  RunComparison c;
  for (std::size_t i = 0; i < examples_.size(); ++i) {
    for (std::size_t j = 0; j < clear.logits[i].size(); ++j) {
      c.max_logit_error = std::max(c.max_logit_error, std::abs(clear.logits[i][j] - other.logits[i].at(j)));
    }
    if (!row_of(task_.kind).classes) continue;
    const auto expected = decisions(clear.logits[i], i), found = decisions(other.logits[i], i);
    for (std::size_t d = 0; d < expected.size(); ++d) {
      if (expected[d].empty()) continue;  // nobody decides about a word that was cut off
      const bool same = best_label(expected[d]) == best_label(found[d]);
      ++c.decisions;
      c.equal += same;
      if (!same && margin(expected[d]) > kMargin) ++c.confident_disagreements;
    }
  }
  return c;
}

}  // namespace thex::cli
