// thex calibrate: measures what predictions of precision are made from, for a model that was converted before that was
// measured, or elsewhere.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <vector>

#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/base/printable.h"
#include "thex/cli/command.h"
#include "thex/cli/layout_options.h"
#include "thex/cli/text_source.h"
#include "thex/encoder/calibration.h"
#include "thex/model/model.h"
#include "thex/model/reference.h"
#include "thex/model/tokenizer_files.h"

namespace thex::cli {
namespace {

struct Options {
  std::string model, input;
  data::Layout task;
  std::size_t limit = 8;
};

text::Encoding encode(const Text& text, const text::Tokenizer& tokenizer, int max_length) {
  if (!text.words.empty()) return tokenizer.encode_words(text.words, max_length);
  const auto pair = text.pair ? std::optional<std::string_view>(*text.pair) : std::nullopt;
  return tokenizer.encode(text.text, pair, max_length);
}

// The first texts of the file, as the encoder gets them.
std::vector<std::vector<double>> read_texts(const Options& o, const model::Model& model) {
  const text::Tokenizer tokenizer = model::load_tokenizer(o.model, model.config);
  const int max_length = std::min(model.config.thex->max_tokens, model.config.max_positions);
  data::ReadCounts counts;
  const std::unique_ptr<TextSource> source = texts_from_file(
      o.input, layout_of(o.task, o.input, model.config), [](const Text&) {}, counts);
  std::vector<std::vector<double>> texts;
  while (texts.size() < o.limit) {
    const std::optional<Text> text = source->next();
    if (!text) break;
    const text::Encoding tokens = at(*text, [&] { return encode(*text, tokenizer, max_length); });
    texts.push_back(model::embed(model, tokens.ids, tokens.type_ids));
  }
  return texts;
}

void run(const Options& o) {
  model::Model model = model::load_model(o.model);
  if (!model.config.he_friendly())
    throw Error(ErrorCode::model, "the model is not HE-friendly yet: run `thex convert` on it first");
  const std::vector<std::vector<double>> texts = read_texts(o, model);
  encoder::widen_sizes(model, texts);
  encoder::measure_weights(model);
  encoder::measure_errors(model, texts);
  write_file_atomically(std::filesystem::path(o.model) / "config.json", model::config_to_json(model.config));
  std::cout << fmt::format("{}/config.json: sizes of values, weights and errors, on {} texts\n", printable(o.model),
                           texts.size());
}

}  // namespace

void add_calibrate(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand(
      "calibrate", "Measure what a converted model's masks and precision are planned from; sizes of values only grow");
  sub->add_option("model", o->model,
                  "A model folder; its config.json is rewritten: copy it to the other side, plans and keys may change")
      ->required();
  sub->add_option("-i,--input", o->input, "A file of texts of the model's task, as for classify")->required();
  add_layout_options(*sub, o->task, false);
  sub->add_option("--limit", o->limit, "Texts to measure on: the first ones of the file")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command.app = sub;
  command.run = [o] { run(*o); };
}

}  // namespace thex::cli
