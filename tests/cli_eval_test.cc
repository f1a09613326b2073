// thex eval on every kind of task, format and metric, in clear: what it prints, and what it says about what does not
// fit.
#include <algorithm>

#include "tests/support/cli_world.h"

namespace thex::testing {
namespace {

using model::Task;

const CliWorld& world() { return CliWorld::instance(); }

// The small model with another head: random weights of the size that the task needs.
std::string model_for(const std::string& name, Task task, const std::vector<std::string>& labels) {
  const auto folder = world().folder() / name;
  model::Model model = model::load_model(world().model());
  model.config.task = task;
  model.config.labels = labels;
  const model::Model random = support::random_model(model.config, 5);
  model::save_model(random, folder, std::filesystem::path(world().model()) / "vocab.txt", checkpoint::Dtype::f32);
  return folder.string();
}

std::string file(const std::string& name, const std::string& text) {
  write_file_atomically(world().folder() / name, text);
  return (world().folder() / name).string();
}

Finished eval(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "eval");
  return world().thex(arguments);
}

Json json_of(std::vector<std::string> arguments) {
  arguments.emplace_back("--json");
  const Finished f = eval(arguments);
  EXPECT_EQ(f.status, 0) << f.errors;
  return Json::parse(f.output, nullptr, false);
}

constexpr const char* kPairs =
    "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t1\t2\ta good film\tthe film is good\n0\t3\t4\ta dull film\tit was "
    "gripping\n1\t5\t6\tnot bad\tvery good\n0\t7\t8\ta movie\tthe end\n";

TEST(Eval, PairsOfAKnownTask) {
  const std::string model = model_for("mrpc", Task::classification, {"not_equivalent", "equivalent"});
  const std::string data = file("mrpc.tsv", kPairs);
  const Json json = json_of({"-m", model, "--task", "mrpc", "-d", data});
  EXPECT_EQ(json["task"], "mrpc");
  EXPECT_EQ(json["kind"], "classification");
  EXPECT_EQ(json["metric"], "f1");
  EXPECT_EQ(json["value"], json["metrics"]["f1"]);
  EXPECT_EQ(json["metrics"].size(), 2u);
  EXPECT_EQ(json["examples"], 4);
  // The same by columns; the first metric is another one then.
  const Json custom = json_of({"-m", model, "-d", data, "--text-column", "#1 String", "--pair-column", "#2 String",
                               "--label-column", "Quality"});
  EXPECT_EQ(custom["task"], "custom");
  EXPECT_EQ(custom["metric"], "accuracy");
  EXPECT_EQ(custom["metrics"]["f1"], json["metrics"]["f1"]);
  EXPECT_EQ(custom["value"], json["metrics"]["accuracy"]);
  const Finished text = eval({"-m", model, "--task", "mrpc", "-d", data});
  for (const char* line : {"f1 ", "accuracy ", "examples ", "task "}) {
    EXPECT_NE(("\n" + text.output).find(std::string("\n") + line), std::string::npos) << text.output;
  }
}

TEST(Eval, LabelsInTheModelsOrder) {
  const std::string data =
      file("order.tsv", "sentence\tlabel\na good film\t1\nbad\t0\nit is dull\t0\nvery good !\t1\n");
  const std::string one = model_for("order1", Task::classification, {"negative", "positive"});
  const std::string two = model_for("order2", Task::classification, {"POSITIVE", "NEGATIVE"});
  const double a = json_of({"-m", one, "--task", "sst2", "-d", data})["value"];
  const double b = json_of({"-m", two, "--task", "sst2", "-d", data})["value"];
  EXPECT_DOUBLE_EQ(a + b, 1) << "equal weights, outputs exchanged";
}

TEST(Eval, FormatsAgree) {
  const std::string tsv = file("f.tsv", "label\tsentence\npositive\ta good film\nnegative\tit is dull\n");
  const std::string csv = file("f.csv", "label,sentence\npositive,\"a good film\"\nnegative,it is dull\n");
  const std::string jsonl = file("f.jsonl",
                                 "{\"label\":1,\"sentence\":\"a good film\"}\n"
                                 "{\"label\":\"negative\",\"sentence\":\"it is dull\"}\n");
  const Json expected = json_of({"-d", tsv})["metrics"];
  EXPECT_EQ(json_of({"-d", csv})["metrics"], expected);
  EXPECT_EQ(json_of({"-d", jsonl})["metrics"], expected);
  const std::string plain = file("f.data", "a good film,1\nit is dull,0\n");
  EXPECT_EQ(json_of({"-d", plain, "--format", "csv", "--no-header", "--text-column", "#1", "--label-column",
                     "#2"})["metrics"],
            expected);
}

TEST(Eval, Regression) {
  const std::string model = model_for("stsb", Task::regression, {"similarity"});
  std::string text = "index\tsentence1\tsentence2\tscore\n";
  for (const char* row : {"a film\tthe film\t4.5", "good\tvery good\t3.8", "dull\tgripping\t0.25", "it is\tit was\t2"})
    text += std::string("0\t") + row + "\n";
  const std::string data = file("stsb.tsv", text);
  const Json json = json_of({"-m", model, "--task", "stsb", "-d", data});
  EXPECT_EQ(json["kind"], "regression");
  EXPECT_EQ(json["metric"], "pearson");
  EXPECT_LE(std::abs(json["metrics"]["spearman"].get<double>()), 1);
  for (const char* mode : {"simulate", "encrypted"}) {
    const Json noisy = json_of({"-m", model, "--task", "stsb", "-d", data, "--mode", mode});
    EXPECT_GT(noisy["max_value_error"], 0) << mode;
    EXPECT_LT(noisy["max_value_error"], 1e-2) << mode;
    EXPECT_FALSE(noisy.contains("label_agreement"));
    EXPECT_NEAR(noisy["value"].get<double>(), json["value"].get<double>(), 0.1) << mode;
  }
  expect_error(eval({"-m", model, "--task", "stsb", "-d", file("bad.tsv", text + "0\ta\tb\tfour\n")}), ErrorCode::input,
               "bad.tsv:6: value \"four\"");
}

TEST(Eval, Tokens) {
  const std::string model = model_for("ner", Task::token_classification, {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"});
  const std::string data = file("ner.conll", "a O\ngood I-PER\nfilm I-PER\n\nthe O\nmovie I-LOC\n");
  const Json json = json_of({"-m", model, "-d", data});
  EXPECT_EQ(json["kind"], "token_classification");
  EXPECT_EQ(json["metric"], "entity_f1");
  EXPECT_EQ(json["examples"], 2);
  EXPECT_EQ(json["words"], 5);
  EXPECT_GE(json["metrics"]["accuracy"], 0);
  for (const char* mode : {"simulate", "encrypted"}) {
    const Json noisy = json_of({"-m", model, "-d", data, "--mode", mode});
    EXPECT_GT(noisy["max_logit_error"], 0) << mode;
    EXPECT_LT(noisy["max_logit_error"], 1e-2) << mode;
    EXPECT_GE(noisy["tag_agreement"], 0) << mode;
    EXPECT_EQ(noisy["confident_disagreements"], 0) << mode;
  }
  // A sentence that does not fit: its last words count as outside of any entity.
  std::string text;
  for (int i = 0; i < 60; ++i) text += "film I-PER\n";
  const Json cut = json_of({"-m", model, "-d", file("long.conll", text)});
  EXPECT_EQ(cut["words"], 60);
  EXPECT_LE(cut["metrics"]["accuracy"], 30.0 / 60) << "30 of the words are read";
  expect_error(eval({"-m", model, "-d", file("bad.conll", "a O\nb I-DOG\n")}), ErrorCode::input, "bad.conll:1: label");
}

TEST(Eval, WhatDoesNotFit) {
  const std::string data = file("mrpc.tsv", kPairs);
  expect_error(eval({"--task", "nosuch", "-d", data}), ErrorCode::usage, "sst2, mrpc");
  expect_error(eval({"--task", "mnli", "-d", data}), ErrorCode::usage, "3 labels");
  expect_error(eval({"--task", "stsb", "-d", data}), ErrorCode::usage, "regression");
  expect_error(eval({"--task", "mrpc", "-d", data}), ErrorCode::usage, "not_equivalent");
  expect_error(eval({"-d", data}), ErrorCode::input, "mrpc.tsv:1: no column \"sentence\"");
  expect_error(eval({"-d", data, "--format", "xml"}), ErrorCode::usage, "--format");
}

}  // namespace
}  // namespace thex::testing
