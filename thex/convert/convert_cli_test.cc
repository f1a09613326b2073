// thex-convert as a user runs it, on a small random encoder: what it refuses to write over, what it says of too little
// data, and a whole quick conversion with its report.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "tests/support/models.h"
#include "tests/support/process.h"
#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/base/hex.h"
#include "thex/model/digest.h"

namespace thex::convert {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kProgram = THEX_BINARY_DIR "/thex-convert";
constexpr const char* kWords[] = {"a",   "the",  "film", "movie", "is",  "was",  "good",
                                  "bad", "dull", "and",  "of",    "not", "very", "it"};

// Texts whose label says whether one of the good words is there.
std::string examples(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::string text = "sentence,label\n";
  for (std::size_t i = 0; i < count; ++i) {
    bool good = false;
    for (std::size_t w = 0; w < 4 + rng() % 6; ++w) {
      const std::string word = kWords[rng() % std::size(kWords)];
      good = good || word == "good" || word == "very";
      text += (w ? " " : "") + word;
    }
    text += good ? ",1\n" : ",0\n";
  }
  return text;
}

class ConvertCli : public ::testing::Test {
 protected:
  void SetUp() override {
    make_encoder("encoder", 1);
    fs::create_directories(at("data"));
    write_file_atomically(at("data/train.csv"), examples(80, 1));
    write_file_atomically(at("data/dev.csv"), examples(20, 2));
    write_file_atomically(at("data/five.csv"), examples(5, 3));
  }
  void make_encoder(const std::string& name, int layers) const {
    model::ModelConfig config;
    config.layers = layers, config.hidden = 32, config.heads = 1, config.ffn = 32, config.max_positions = 32;
    std::string vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    for (const char* word : kWords) vocab += std::string(word) + "\n";
    config.vocab = 5 + static_cast<int>(std::size(kWords));
    config.pooler = false;
    write_file_atomically(at("vocab.txt"), vocab);
    model::save_model(support::random_model(config, 7), at(name), at("vocab.txt"), checkpoint::Dtype::f32);
  }
  fs::path at(const std::string& name) const { return folder.path() / name; }
  std::string text_of(const std::string& name) const { return read_file(at(name), 1u << 24); }

  testing::Finished convert(const std::string& out, const std::vector<std::string>& more = {},
                            const std::string& train = "data/train.csv", const std::string& encoder = "encoder") const {
    std::vector<std::string> all = {kProgram,  at(encoder).string(), "--backbone", "--quick",
                                    "--train", at(train).string(),   "--dev",      at("data/dev.csv").string(),
                                    "-o",      at(out).string()};
    all.insert(all.end(), more.begin(), more.end());
    return testing::run(all);
  }
  static void expect_refused(const testing::Finished& f, ErrorCode code, const std::string& part) {
    EXPECT_EQ(f.status, exit_status(code)) << f.errors;
    EXPECT_NE(f.errors.find(part), std::string::npos) << f.errors;
  }
  TemporaryFolder folder;
};

TEST(ConvertOutput, ThatCannotBeWrittenIsAFailure) {
  const testing::Finished f =
      testing::run({"/bin/sh", "-c", "exec " THEX_BINARY_DIR "/thex-convert --help > /dev/full"});
  EXPECT_EQ(f.status, exit_status(ErrorCode::file));
  EXPECT_NE(f.errors.find("cannot write to standard output"), std::string::npos) << f.errors;
}

TEST_F(ConvertCli, NeverWritesOverWhatItReads) {
  const std::string weights = text_of("encoder/model.safetensors");
  fs::create_symlink(at("encoder"), at("link"));
  for (const std::string out : {"encoder", "link", "data/../encoder"})
    for (const bool force : {false, true})
      expect_refused(convert(out, force ? std::vector<std::string>{"--force"} : std::vector<std::string>{}),
                     ErrorCode::usage, "is the model");
  expect_refused(convert("data", {"--force"}), ErrorCode::usage, "holds the training data");
  expect_refused(convert("new", {"--work", at("encoder").string()}), ErrorCode::usage, "--work");
  EXPECT_EQ(text_of("encoder/model.safetensors"), weights);
  EXPECT_FALSE(fs::exists(at("encoder.work")));
  const testing::Finished plain =
      testing::run({kProgram, "make-plain", at("encoder").string(), "--quick", "--train", at("data/train.csv").string(),
                    "--dev", at("data/dev.csv").string(), "-o", at("link").string(), "--force"});
  expect_refused(plain, ErrorCode::usage, "is the backbone");
}

TEST_F(ConvertCli, EmptyTextsAreCounted) {
  write_file_atomically(at("data/empty.csv"), "sentence,label\n,0\na good film,1\n");
  const testing::Finished f = convert("new", {}, "data/empty.csv");
  EXPECT_NE(f.errors.find("empty.csv: 1 of 2 examples are empty"), std::string::npos) << f.errors;
  EXPECT_NE(f.errors.find("--skip-empty"), std::string::npos) << f.errors;
}

TEST_F(ConvertCli, WrongOptionsAreNamedOnOneLine) {
  const testing::Finished f = convert("new", {"--rate", "1\x1b[2J\n1"});
  expect_refused(f, ErrorCode::usage, "--rate: 1\\x1b[2J\\n1 is not a number between 0 (not included) and 10");
  EXPECT_EQ(std::count(f.errors.begin(), f.errors.end(), '\n'), 1) << f.errors;
}

TEST_F(ConvertCli, TooFewExamplesAreSaidBeforeTraining) {
  const testing::Finished f = convert("new", {}, "data/five.csv");
  expect_refused(f, ErrorCode::input, "five.csv: 5 training examples are too few");
  EXPECT_FALSE(fs::exists(at("new")));
  EXPECT_FALSE(fs::exists(at("new.work")));
}

TEST_F(ConvertCli, ConvertsReportsAndReplacesOnRequest) {
  const testing::Finished first = convert("new");
  ASSERT_EQ(first.status, 0) << first.errors;
  const std::string weights = text_of("new/model.safetensors"), report = text_of("new/report.json");
  const json options = json::parse(report)["options"];
  EXPECT_EQ(json::parse(report)["model_digest"].get<std::string>().size(), 64u);
  const model::ModelDigests digests = model::model_digests(at("new"));
  for (const auto& [part, digest] : json::parse(report)["digests"].items())
    EXPECT_EQ(digest, hex(*digests.of(part == "weights"      ? model::ModelPart::weights
                                      : part == "embeddings" ? model::ModelPart::embeddings
                                      : part == "tokenizer"  ? model::ModelPart::tokenizer
                                                             : model::ModelPart::labels)))
        << part;
  for (const char* name :
       {"profile", "protocol", "min_steps", "final_steps", "rate", "affine_rate", "norm_rate", "estimation_steps",
        "epoch_examples", "max_steps", "seed", "held_out", "max_length", "augment", "teacher", "quick", "plain_rate"})
    EXPECT_TRUE(options.contains(name)) << name;
  EXPECT_EQ(json::parse(report)["positive_label"], "1");
  EXPECT_NE(text_of("new/report.html").find("positive class of f1"), std::string::npos);
  EXPECT_EQ(options["protocol"], "one-round");
  EXPECT_EQ(options["final_steps"], "120");
  for (const char* other : {"ReLU input", "Softmax estimation", ">t1<", "cube"})
    EXPECT_EQ(text_of("new/report.html").find(other), std::string::npos) << other;
  expect_refused(convert("new"), ErrorCode::usage, "--force");
  EXPECT_EQ(text_of("new/report.json"), report);
  // Its checkpoints are there: the same model comes of them at once.
  const testing::Finished again = convert("new", {"--force"});
  ASSERT_EQ(again.status, 0) << again.errors;
  EXPECT_NE(again.errors.find("resumed from its checkpoint"), std::string::npos) << again.errors;
  EXPECT_EQ(text_of("new/model.safetensors"), weights);
  EXPECT_NE(text_of("new/report.json"), report) << "another time was taken";
}

// The plain model of a conversion for masked rounds, and what its own answers to texts make of it again.
TEST_F(ConvertCli, MaskedRoundsLearnFromTextsWithoutLabelsToo) {
  std::string texts;
  for (std::size_t i = 0; i < 60; ++i) texts += "the film was " + std::string(kWords[i % std::size(kWords)]) + "\n";
  const std::string dev = text_of("data/dev.csv"), of_dev = dev.substr(dev.find('\n') + 1);
  write_file_atomically(at("data/more.txt"), texts + of_dev.substr(0, of_dev.find(',')) + "\n");
  const testing::Finished first =
      convert("new", {"--protocol", "masked-rounds", "--texts", at("data/more.txt").string()});
  ASSERT_EQ(first.status, 0) << first.errors;
  EXPECT_NE(first.errors.find("rounds a query, keys of"), std::string::npos) << first.errors;
  EXPECT_NE(first.errors.find("MB sent"), std::string::npos) << first.errors;
  EXPECT_NE(first.errors.find("more texts 60, left out as held out or in the dev set 1"), std::string::npos)
      << first.errors;
  EXPECT_EQ(json::parse(text_of("new/report.json"))["options"]["protocol"], "masked-rounds");
  EXPECT_EQ(json::parse(text_of("new/config.json"))["thex"]["layer_norm"], "mean_square");

  const auto from_texts = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = {
        kProgram, at("new.work/plain").string(), "--quick", "--train",           at("data/more.txt").string(),
        "--dev",  at("data/dev.csv").string(),   "-o",      at("texts").string()};
    all.insert(all.end(), more.begin(), more.end());
    return testing::run(all);
  };
  const testing::Finished second = from_texts({});
  ASSERT_EQ(second.status, 0) << second.errors;
  EXPECT_NE(second.errors.find("the model's own answers stand for them"), std::string::npos) << second.errors;
  expect_refused(from_texts({"--force", "--hard", "0.5"}), ErrorCode::usage, "texts without labels");
  expect_refused(from_texts({"--force", "--pair-column", "other"}), ErrorCode::input, "the task has two texts");
}

TEST_F(ConvertCli, TwelveLayersNeedNoOption) {
  make_encoder("deep", 12);
  const testing::Finished f = convert("new", {}, "data/train.csv", "deep");
  ASSERT_EQ(f.status, 0) << f.errors;
  EXPECT_NE(f.errors.find("a model of 12 layers is made for masked rounds: "), std::string::npos) << f.errors;
  const json report = json::parse(text_of("new/report.json"));
  EXPECT_EQ(report["options"]["protocol"], "masked-rounds");
  EXPECT_EQ(report["plan"]["protocol"], "masked-rounds");
  EXPECT_GE(report["plan"]["rounds"], 3);
  EXPECT_LT(report["reference"]["largest_logit_difference"], 1e-3);
}

}  // namespace
}  // namespace thex::convert
