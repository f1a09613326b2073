// The models that the repository carries: load, are HE-friendly, keep their promises on ranges, and reach the accuracy
// that their reports state (with the GLUE data at hand; skipped otherwise).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "thex/data/task.h"
#include "thex/model/reference.h"
#include "thex/text/tokenizer.h"

namespace thex::convert {
namespace {

namespace fs = std::filesystem;

struct Embedded {
  explicit Embedded(const std::string& name) : folder(fs::path(THEX_SOURCE_DIR) / "models" / name) {}

  fs::path folder;
  model::Model model = model::load_model(folder);
  text::Tokenizer tokenizer = text::Tokenizer::load(folder / "vocab.txt", model.config.do_lower_case);

  model::ForwardResult run(const std::string& text) const {
    const text::Encoding e = tokenizer.encode(text, std::nullopt, model.config.max_positions);
    return model::forward(model, e.ids, e.type_ids);
  }
};

class Sst2Model : public ::testing::TestWithParam<const char*> {
 protected:
  const Embedded e{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Folders, Sst2Model, ::testing::Values("bert-tiny-sst2", "bert-tiny-sst2-the-x"),
                         [](const auto& p) { return std::string(p.param) == "bert-tiny-sst2" ? "OneRound" : "TheX"; });

std::size_t best(const std::vector<double>& logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

TEST_P(Sst2Model, IsHeFriendlyAndSmall) {
  EXPECT_TRUE(e.model.config.he_friendly());
  EXPECT_EQ(e.model.config.labels, (std::vector<std::string>{"negative", "positive"}));
  EXPECT_GT(e.model.config.thex->max_relu_input, 1);
  EXPECT_LT(e.model.config.thex->max_relu_input, 500);
  EXPECT_LT(fs::file_size(e.folder / "model.safetensors"), 12U << 20);
}

TEST_P(Sst2Model, KnowsPlainSentiment) {
  for (const char* text : {"a gripping, beautiful film", "Wonderful!", "one of the best movies of the year"})
    EXPECT_EQ(best(e.run(text).logits), 1U) << text;
  for (const char* text : {"a dull, lifeless mess", "terrible", "it is boring, badly acted and far too long"})
    EXPECT_EQ(best(e.run(text).logits), 0U) << text;
}

TEST_P(Sst2Model, StaysInRangeAtFullLength) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += i % 3 == 0 ? "brilliant awful ! " : "the movie was not bad , ";
  const model::ForwardResult r = e.run(text);
  EXPECT_LT(r.max_relu_input, 2 * e.model.config.thex->max_relu_input);
  for (double logit : r.logits) EXPECT_LT(std::abs(logit), 2 * e.model.config.thex->max_logit);
}

TEST_P(Sst2Model, ReachesTheAccuracyOfItsReport) {
  const char* set = std::getenv("THEX_DATA");
  const fs::path dev = (set ? fs::path(set) : fs::path(THEX_SOURCE_DIR) / "../shared/data") / "glue/SST-2/dev.tsv";
  if (!fs::exists(dev)) GTEST_SKIP() << "needs " << dev;
  const auto examples = data::read_examples(dev, data::preset("sst2"));
  std::size_t right = 0;
  for (const data::Example& x : examples) right += best(e.run(x.text).logits) == static_cast<std::size_t>(x.label);
  std::ifstream in(e.folder / "report.json");
  const nlohmann::json last = nlohmann::json::parse(in).at("stages").back();
  const double stated = last.contains("dev") ? last["dev"].at("accuracy") : last.at("dev_accuracy");
  const double accuracy = 100.0 * static_cast<double>(right) / static_cast<double>(examples.size());
  EXPECT_NEAR(accuracy, stated, 0.15);  // one sentence of 872 may fall to the other side in double precision
}

}  // namespace
}  // namespace thex::convert
