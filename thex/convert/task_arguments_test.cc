#include "thex/convert/task_arguments.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/training.h"
#include "thex/base/error.h"

namespace thex::convert {
namespace {

class Task : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text) {
    std::ofstream(folder.path() / name) << text;
    return folder.path() / name;
  }
  static model::ModelConfig head(std::vector<std::string> labels) {
    model::ModelConfig c = testing::small_config();
    c.labels = std::move(labels);
    return c;
  }
  const text::Tokenizer tokenizer =
      text::Tokenizer::from_tokens({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c"});
  testing::TemporaryFolder folder;
};

TEST_F(Task, ModelsOrderOfLabelsDecides) {
  const auto file =
      write("x.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n1\ta\tc\tnot_entailment\n");
  TaskArguments a;
  a.preset = "rte";
  const ResolvedTask same = resolve_task(a, file, std::nullopt);
  EXPECT_EQ(same.spec.labels, (std::vector<std::string>{"entailment", "not_entailment"}));
  const ResolvedTask turned = resolve_task(a, file, head({"NOT_ENTAILMENT", "Entailment"}));
  EXPECT_EQ(turned.spec.labels, (std::vector<std::string>{"not_entailment", "entailment"}));
  const DataSet data = load_data(file, turned, tokenizer, 16);
  ASSERT_EQ(data.size(), 2U);
  EXPECT_EQ(data[0].label, 1);
  EXPECT_EQ(data[1].label, 0);
  EXPECT_EQ(data[0].types, (std::vector<std::int64_t>{0, 0, 0, 1, 1}));
  EXPECT_EQ(load_data(file, resolve_task(a, file, head({"LABEL_0", "LABEL_1"})), tokenizer, 16)[0].label, 0);
}

TEST_F(Task, WhatDoesNotFitIsSaid) {
  const auto file = write("x.tsv", "sentence\tlabel\na\tyes\nb\tno\n");
  TaskArguments a;
  a.preset = "rte";
  for (const model::ModelConfig& wrong :
       {head({"yes", "no"}), head({"entailment", "not_entailment", "x"}), testing::config_for(testing::share_task())}) {
    try {
      resolve_task(a, file, wrong);
      ADD_FAILURE() << "was taken";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::usage) << e.what();
    }
  }
  a.labels = {"x", "y"};
  EXPECT_THROW(resolve_task(a, file, std::nullopt), Error);
  a = {};
  a.labels = {"one"};
  EXPECT_THROW(resolve_task(a, file, std::nullopt), Error);
  a.kind = "regression", a.labels = {"x", "y"};
  EXPECT_THROW(resolve_task(a, file, std::nullopt), Error);
  a = {};  // a name that says no format
  EXPECT_THROW(resolve_task(a, write("train.part", "sentence\tlabel\na\tyes\nb\tno\n"), std::nullopt), Error);
}

TEST_F(Task, ColumnsSayTheRest) {
  const auto file = write("x.csv", "left,right,class\na,\"b, c\",yes\nb,c,no\n");
  TaskArguments a;
  a.text_column = "left", a.pair_column = "right", a.label_column = "class";
  const ResolvedTask task = resolve_task(a, file, std::nullopt);
  EXPECT_EQ(task.spec.labels, (std::vector<std::string>{"no", "yes"}));  // sorted, whatever comes first
  EXPECT_EQ(task.spec.metrics.front(), data::Metric::accuracy);
  const DataSet data = load_data(file, task, tokenizer, 16);
  EXPECT_EQ(data[0].text, "a b, c");
  EXPECT_EQ(data[1].label, 0);
  EXPECT_NE(describe(task.spec).find("classification of pairs (no, yes)"), std::string::npos) << describe(task.spec);
}

TEST_F(Task, TagsAndValues) {
  TaskArguments a;
  a.kind = "token_classification";
  const auto words = write("x.conll", "a B-X\nb I-X\nc O\n\nc O\n");
  const ResolvedTask tags = resolve_task(a, words, std::nullopt);
  const DataSet sentences = load_data(words, tags, tokenizer, 16);
  ASSERT_EQ(sentences.size(), 2U);
  ASSERT_EQ(sentences[0].tags.size(), 3U);
  EXPECT_EQ(tags.spec.labels.at(static_cast<std::size_t>(sentences[0].tags[1])), "I-X");
  EXPECT_EQ(sentences[0].first, (std::vector<std::int64_t>{1, 2, 3}));
  a.kind = "regression";
  const auto values = write("x.jsonl", "{\"sentence\": \"a\", \"label\": 2.5}\n{\"sentence\": \"b\", \"label\": -1}\n");
  const ResolvedTask value = resolve_task(a, values, std::nullopt);
  EXPECT_EQ(value.spec.labels.size(), 1U);
  const DataSet data = load_data(values, value, tokenizer, 16);
  EXPECT_EQ(data[0].value, 2.5);
  EXPECT_EQ(data[1].value, -1);
}

}  // namespace
}  // namespace thex::convert
