// The models that come with the repository, through real client and server processes.
#include <cmath>

#include "tests/support/cli_world.h"
#include "thex/model/reference.h"
#include "thex/text/tokenizer.h"

namespace thex::testing {
namespace {

// The folder's name and the protocol it is served by.
class EmbeddedModel : public ::testing::TestWithParam<std::pair<const char*, const char*>> {
 protected:
  const std::filesystem::path model_folder = std::filesystem::path(THEX_SOURCE_DIR) / "models" / GetParam().first;
};
INSTANTIATE_TEST_SUITE_P(Protocols, EmbeddedModel,
                         ::testing::Values(std::pair{"bert-tiny-sst2", "one-round"},
                                           std::pair{"bert-tiny-sst2", "masked-rounds"},
                                           std::pair{"bert-tiny-sst2-the-x", "the-x"}),
                         [](const auto& p) {
                           std::string name = p.param.second;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(EmbeddedModel, EncryptedSentencesAreWhatTheClearModelSays) {
  const support::TemporaryFolder folder;
  // The first of them is what every command takes that is given no model.
  const bool is_default = std::string(GetParam().first) == "bert-tiny-sst2";
  const Environment environment = {{"THEX_HOME", folder.path().string()},
                                   {"THEX_MODEL", is_default ? "" : model_folder.string()}};
  const std::vector<std::string> texts = {
      "a gripping, beautiful film", "the plot is thin and the jokes fall flat",
      "an utterly charming story that never loses its warmth, its wit or its nerve , and a joy to watch"};
  std::string lines;
  for (const std::string& text : texts) lines += text + "\n";
  write_file_atomically(folder.path() / "texts", lines);
  const Finished f = run({CliWorld::program(), "classify", "--input", (folder.path() / "texts").string(), "--json",
                          "--timeout", "600", "--protocol", GetParam().second},
                         environment);
  ASSERT_EQ(f.status, 0) << f.errors;
  const model::Model model = model::load_model(model_folder);
  const auto tokenizer = text::Tokenizer::load(model_folder / "vocab.txt");
  EXPECT_EQ(model.config.labels, (std::vector<std::string>{"negative", "positive"}));
  std::istringstream results(f.output);
  for (const std::string& text : texts) {
    std::string line;
    ASSERT_TRUE(std::getline(results, line));
    const Json json = Json::parse(line);
    const auto encoding = tokenizer.encode(text);
    const auto expected = model::forward(model, encoding.ids, encoding.type_ids).logits;
    ASSERT_EQ(json["logits"].size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(json["logits"][i], expected[i], 1e-2) << text;
    EXPECT_EQ(json["label"], expected[1] > expected[0] ? "positive" : "negative");
    EXPECT_EQ(json["security_bits"], 128);
    EXPECT_EQ(json["protocol"], GetParam().second);
  }
}

TEST_P(EmbeddedModel, KnowsGoodFromBad) {
  const model::Model model = model::load_model(model_folder);
  const auto tokenizer = text::Tokenizer::load(model_folder / "vocab.txt");
  for (const auto& [text, label] :
       {std::pair{"a gripping, beautiful film", 1}, std::pair{"a dull, lifeless mess", 0}}) {
    const auto encoding = tokenizer.encode(text);
    const auto logits = model::forward(model, encoding.ids, encoding.type_ids).logits;
    EXPECT_GT(logits[static_cast<std::size_t>(label)], logits[static_cast<std::size_t>(1 - label)]) << text;
  }
}

}  // namespace
}  // namespace thex::testing
