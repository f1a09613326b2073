// Pairs, regressions and token classifiers through `thex classify`: what a user sees is what the clear model says.
#include "tests/support/cli_world.h"
#include "thex/model/reference.h"
#include "thex/text/tokenizer.h"

namespace thex::testing {
namespace {

// One small model of each task, on disk.
struct TaskModel {
  TaskModel(const std::string& name, model::Task task, std::vector<std::string> labels)
      : folder(CliWorld::instance().folder() / name),
        model(write_model(folder, {.max_tokens = 16, .seed = 5, .task = task, .labels = std::move(labels)})),
        tokenizer(text::Tokenizer::load(folder / "vocab.txt")) {}

  Finished classify(std::vector<std::string> arguments, const std::string& input = "") const {
    arguments.insert(arguments.begin(), {"classify", "--model", folder.string(), "--max-tokens", "16"});
    return CliWorld::instance().thex(arguments, input);
  }
  std::vector<double> clear(const text::Encoding& e) const { return model::forward(model, e.ids, e.type_ids).logits; }

  std::filesystem::path folder;
  model::Model model;
  text::Tokenizer tokenizer;
};

const TaskModel& tagger() {
  static const TaskModel model("tagger", model::Task::token_classification, {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"});
  return model;
}

std::vector<Json> json_lines(const Finished& f) {
  EXPECT_EQ(f.status, 0) << f.errors;
  std::vector<Json> all;
  std::istringstream lines(f.output);
  for (std::string line; std::getline(lines, line);) all.push_back(Json::parse(line));
  return all;
}

void expect_logits(const Json& rows, const std::vector<double>& expected, std::size_t labels) {
  ASSERT_EQ(rows.size() * labels, expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(rows[i / labels][i % labels].get<double>(), expected[i], 1e-2) << i;
}

TEST(Tasks, APairIsOneQuery) {
  const auto& world = CliWorld::instance();
  const model::Model model = model::load_model(world.model());
  const auto tokenizer = text::Tokenizer::load(std::filesystem::path(world.model()) / "vocab.txt");
  const auto expected = [&](const std::string& a, const std::string& b) {
    const text::Encoding e = tokenizer.encode(a, b);
    return model::forward(model, e.ids, e.type_ids).logits;
  };
  const auto check = [&](const Json& json, const std::string& a, const std::string& b) {
    EXPECT_EQ(json["text"], a);
    EXPECT_EQ(json["pair"], b);
    EXPECT_EQ(json["task"], "classification");
    const auto logits = expected(a, b);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(json["logits"][i].get<double>(), logits[i], 1e-2);
  };
  const auto one = json_lines(world.thex({"classify", "a good film", "--pair", "it is dull", "--json"}));
  ASSERT_EQ(one.size(), 1u);
  check(one[0], "a good film", "it is dull");

  const auto file = world.folder() / "pairs.tsv";
  write_file_atomically(file, std::string("one\ttwo\nnot good\tvery bad\na film\tthe movie\n"));
  const auto lines = json_lines(
      world.thex({"classify", "--input", file.string(), "--text-column", "one", "--pair-column", "two", "--json"}));
  ASSERT_EQ(lines.size(), 2u);
  check(lines[0], "not good", "very bad");
  check(lines[1], "a film", "the movie");
  const Finished text = world.thex({"classify", "a film", "--pair", "a movie"});
  EXPECT_NE(text.output.find("a film | a movie"), std::string::npos) << text.output;
}

TEST(Tasks, ARegressionPrintsItsValue) {
  const TaskModel model("score", model::Task::regression, {"score"});
  const double expected = model.clear(model.tokenizer.encode("a gripping film"))[0];
  const auto lines = json_lines(model.classify({"a gripping film", "--json"}));
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["task"], "regression");
  EXPECT_NEAR(lines[0]["value"].get<double>(), expected, 1e-2);
  EXPECT_FALSE(lines[0].contains("label"));
  const Finished text = model.classify({"a gripping film"});
  ASSERT_EQ(text.status, 0) << text.errors;
  EXPECT_NEAR(std::stod(text.output), expected, 1e-2);
  EXPECT_NE(text.output.find("a gripping film"), std::string::npos);
}

TEST(Tasks, WordsOfATextAreTagged) {
  const TaskModel& model = tagger();
  const std::string text = "The film, it was dull.";
  const std::vector<std::string> words{"The", "film", ",", "it", "was", "dull", "."};
  const text::Encoding e = model.tokenizer.encode_words(words);
  const std::vector<double> logits = model.clear(e);
  ASSERT_EQ(logits.size(), 5 * e.ids.size());
  const auto lines = json_lines(model.classify({text, "--json"}));
  ASSERT_EQ(lines.size(), 1u);
  const Json& json = lines[0];
  EXPECT_EQ(json["task"], "token_classification");
  expect_logits(json["logits"], logits, 5);
  ASSERT_EQ(json["words"].size(), words.size());
  const auto first = e.first_tokens(words.size());
  for (std::size_t w = 0; w < words.size(); ++w) {
    const Json& word = json["words"][w];
    EXPECT_EQ(word["word"], words[w]);
    EXPECT_EQ(text.substr(word["begin"], word["end"].get<std::size_t>() - word["begin"].get<std::size_t>()), words[w]);
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(5 * *first[w]);
    EXPECT_EQ(word["tag"], model.model.config.labels[static_cast<std::size_t>(std::max_element(row, row + 5) - row)]);
    EXPECT_GT(word["score"], 0.2);
  }
  // Entities cover exactly the words that are not O, each within the text.
  std::size_t inside = 0, covered = 0;
  for (const Json& word : json["words"]) inside += word["tag"] != "O";
  for (const Json& entity : json["entities"]) {
    covered += entity["last_word"].get<std::size_t>() - entity["first_word"].get<std::size_t>() + 1;
    EXPECT_NE(text.find(entity["text"].get<std::string>()), std::string::npos);
    EXPECT_TRUE(entity["type"] == "PER" || entity["type"] == "LOC") << entity["type"];
  }
  EXPECT_EQ(covered, inside);
  EXPECT_GT(inside, 0u) << "nothing was tagged: choose another seed";

  const Finished plain = model.classify({text, "--ledger"});
  ASSERT_EQ(plain.status, 0) << plain.errors;
  EXPECT_NE(plain.output.find("The/" + json["words"][0]["tag"].get<std::string>() + " film/"), std::string::npos)
      << plain.output;
  EXPECT_NE(plain.output.find(json["entities"][0]["text"].get<std::string>() + "\n"), std::string::npos);
  EXPECT_NE(plain.output.find("logits of every token"), std::string::npos);
}

// The words of a CoNLL file are taken as they are; one that has no token is O.
TEST(Tasks, WordsOfAConllFile) {
  const auto file = CliWorld::instance().folder() / "words.conll";
  write_file_atomically(file, std::string("good O\nfilm. O\n\xe2\x80\x8d O\n\na O\n\n"));
  const auto lines = json_lines(tagger().classify({"--input", file.string(), "--format", "conll", "--json"}));
  ASSERT_EQ(lines.size(), 2u);
  ASSERT_EQ(lines[0]["words"].size(), 3u);
  EXPECT_EQ(lines[0]["words"][1]["word"], "film.");
  EXPECT_FALSE(lines[0]["words"][1].contains("begin"));
  EXPECT_EQ(lines[0]["words"][2]["tag"], "O");
  EXPECT_TRUE(lines[0]["words"][2]["score"].is_null());
  const std::vector<std::string> words{"good", "film.", "\u200d"};
  expect_logits(lines[0]["logits"], tagger().clear(tagger().tokenizer.encode_words(words)), 5);
  EXPECT_EQ(lines[1]["words"].size(), 1u);
}

TEST(Tasks, WrongUse) {
  expect_error(tagger().classify({"a film", "--pair", "a movie"}), ErrorCode::usage, "takes no second one");
  expect_error(tagger().classify({"a film", "--format", "conll"}), ErrorCode::usage, "need --input");
  expect_error(tagger().classify({"--input", "x", "--pair", "a movie"}), ErrorCode::usage, "--pair-column");
  expect_error(tagger().classify({" "}), ErrorCode::input, "no words");
  std::string text;
  for (int i = 0; i < 20; ++i) text += "film ";
  expect_error(tagger().classify({text}), ErrorCode::input, "22 tokens");
  const auto& world = CliWorld::instance();
  expect_error(world.thex({"classify", "a film", "--pair", ""}), ErrorCode::input, "second text is empty");
}

}  // namespace
}  // namespace thex::testing
