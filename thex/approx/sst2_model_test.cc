// The model that the repository carries: loads, is HE-friendly, keeps its promises on ranges, and reaches the accuracy
// that its report states (with the GLUE data at hand; skipped otherwise).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "thex/bert/reference.h"
#include "thex/bert/tokenizer.h"
#include "thex/data/task.h"

namespace thex::approx {
namespace {

namespace fs = std::filesystem;
const fs::path kFolder = fs::path(THEX_SOURCE_DIR) / "models/bert-tiny-sst2";

struct Embedded {
  bert::Model model = bert::load_model(kFolder);
  bert::Tokenizer tokenizer = bert::Tokenizer::load(kFolder / "vocab.txt", model.config.do_lower_case);

  bert::ForwardResult run(const std::string& text) const {
    const bert::Encoding e = tokenizer.encode(text, std::nullopt, model.config.max_positions);
    return bert::forward(model, e.ids, e.type_ids);
  }
};

std::size_t best(const std::vector<double>& logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

TEST(Sst2Model, IsHeFriendlyAndSmall) {
  const Embedded e;
  EXPECT_TRUE(e.model.config.he_friendly());
  EXPECT_EQ(e.model.config.labels, (std::vector<std::string>{"negative", "positive"}));
  EXPECT_GT(e.model.config.thex->max_relu_input, 1);
  EXPECT_LT(e.model.config.thex->max_relu_input, 500);
  EXPECT_LT(fs::file_size(kFolder / "model.safetensors"), 12U << 20);
}

TEST(Sst2Model, KnowsPlainSentiment) {
  const Embedded e;
  for (const char* text : {"a gripping, beautiful film", "Wonderful!", "one of the best movies of the year"})
    EXPECT_EQ(best(e.run(text).logits), 1U) << text;
  for (const char* text : {"a dull, lifeless mess", "terrible", "it is boring, badly acted and far too long"})
    EXPECT_EQ(best(e.run(text).logits), 0U) << text;
}

TEST(Sst2Model, StaysInRangeAtFullLength) {
  const Embedded e;
  std::string text;
  for (int i = 0; i < 40; ++i) text += i % 3 == 0 ? "brilliant awful ! " : "the movie was not bad , ";
  const bert::ForwardResult r = e.run(text);
  EXPECT_LT(r.max_relu_input, 2 * e.model.config.thex->max_relu_input);
  for (double logit : r.logits) EXPECT_LT(std::abs(logit), 2 * e.model.config.thex->max_logit);
}

TEST(Sst2Model, ReachesTheAccuracyOfItsReport) {
  const char* set = std::getenv("THEX_DATA");
  const fs::path dev = (set ? fs::path(set) : fs::path(THEX_SOURCE_DIR) / "../shared/data") / "glue/SST-2/dev.tsv";
  if (!fs::exists(dev)) GTEST_SKIP() << "needs " << dev;
  const Embedded e;
  const auto examples = data::read_examples(dev, data::preset("sst2"));
  std::size_t right = 0;
  for (const data::Example& x : examples) right += best(e.run(x.text).logits) == static_cast<std::size_t>(x.label);
  std::ifstream in(kFolder / "report.json");
  const double stated = nlohmann::json::parse(in).at("stages").back().at("dev_accuracy").get<double>();
  const double accuracy = 100.0 * static_cast<double>(right) / static_cast<double>(examples.size());
  EXPECT_NEAR(accuracy, stated, 0.15);  // one sentence of 872 may fall to the other side in double precision
}

}  // namespace
}  // namespace thex::approx
