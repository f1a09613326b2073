#include "thex/data/layout.h"

#include <gtest/gtest.h>

#include "thex/base/error.h"
#include "thex/data/labels.h"

namespace thex::data {
namespace {

using model::Task;

TEST(Layout, ColumnsAndFormatChangeThePreset) {
  Layout layout;
  EXPECT_FALSE(layout.any());
  layout.preset = "rte";
  layout.pair_column = "hypothesis";
  EXPECT_TRUE(layout.any());
  const TaskSpec task = task_of(layout, "train.jsonl", Task::classification, {});
  EXPECT_EQ(task.name, "rte");
  EXPECT_EQ(task.format, Format::jsonl);
  EXPECT_EQ(task.columns.text, "sentence1");
  EXPECT_EQ(task.columns.pair, "hypothesis");
  EXPECT_EQ(task.labels.size(), 2U);
}

TEST(Layout, WithoutAPresetTheModelDecides) {
  Layout layout;
  layout.no_header = true;
  const std::vector<std::string> tags = {"O", "B-X", "I-X"};
  const TaskSpec conll = task_of(layout, "a.conll", Task::token_classification, tags);
  EXPECT_EQ(conll.columns.text, "#1");
  EXPECT_EQ(conll.columns.label, "#last");
  EXPECT_EQ(conll.metrics.front(), Metric::entity_f1);
  const TaskSpec tsv = task_of(layout, "texts", Task::token_classification, {"noun", "verb"});
  EXPECT_EQ(tsv.format, Format::tsv);
  EXPECT_FALSE(tsv.columns.header);
  EXPECT_EQ(tsv.metrics.front(), Metric::accuracy);
  EXPECT_EQ(task_of(layout, "x.csv", Task::regression, {"score"}).metrics.front(), Metric::pearson);
}

TEST(Layout, AnotherKindOrFormatIsRefused) {
  Layout layout;
  layout.preset = "stsb";
  EXPECT_THROW(task_of(layout, "x.tsv", Task::classification, {"a", "b"}), Error);
  EXPECT_EQ(task_of(layout, "x.tsv", Task::regression, {}).name, "stsb");
  layout.format = "xml";
  EXPECT_THROW(task_of(layout, "x.tsv", Task::regression, {}), Error);
}

TEST(Layout, TheEndingDecides) {
  const auto format = [](const char* name, Task kind = Task::classification) {
    const auto found = format_in_name(name, kind);
    return found ? kFormatNames[static_cast<int>(*found)] : "none";
  };
  for (const auto& [name, expected] : std::vector<std::pair<const char*, const char*>>{{"a.tsv", "tsv"},
                                                                                       {"A.CSV", "csv"},
                                                                                       {"x/y.JsonL", "jsonl"},
                                                                                       {"a.ndjson", "jsonl"},
                                                                                       {"a.JSON", "json"},
                                                                                       {"a.conll", "conll"},
                                                                                       {"a.BIO", "conll"},
                                                                                       {"a.iob2", "conll"},
                                                                                       {"a.bioes", "conll"},
                                                                                       {"a.CoNLLU", "conllu"},
                                                                                       {"a.txt", "none"},
                                                                                       {"a.csv.gz", "none"},
                                                                                       {"csv", "none"},
                                                                                       {"", "none"}}) {
    EXPECT_STREQ(format(name), expected) << name;
  }
  EXPECT_STREQ(format("a.conll2003"), "conll");
  EXPECT_STREQ(format("a.conllx"), "conllu");
  EXPECT_STREQ(format("a.txt", Task::token_classification), "conll");
  EXPECT_STREQ(format("a.TXT", Task::token_classification), "conll");
  const std::vector<std::string> tags = {"O", "B-X", "I-X"};
  EXPECT_EQ(task_of({}, "a.txt", Task::token_classification, tags).columns.label, "#last");
  for (const char* name : {"eng.testa", "train.data", "train"})
    EXPECT_EQ(task_of({}, name, Task::token_classification, tags).format, Format::conll) << name;
  EXPECT_EQ(task_of({.text_column = "words"}, "train", Task::token_classification, tags).format, Format::tsv);
  EXPECT_EQ(task_of({}, "train.data", Task::classification, {"a", "b"}).format, Format::tsv);
  EXPECT_EQ(task_of({}, "a.conllu", Task::token_classification, {"NOUN", "VERB"}).columns.label, "#4");
  EXPECT_EQ(task_of({}, "a.conllu", Task::token_classification, {"NOUN", "VERB"}).columns.text, "#2");
}

TEST(Layout, EntitiesAreJudgedInEveryScheme) {
  for (const std::vector<std::string>& labels : {std::vector<std::string>{"I-X", "O"},
                                                 {"B-X", "I-X", "O"},
                                                 {"B-X", "I-X", "E-X", "S-X", "O"},
                                                 {"B-X", "L-X", "U-X", "O"}})
    EXPECT_EQ(default_metrics(Task::token_classification, labels).front(), Metric::entity_f1) << labels[0];
}

TEST(Layout, ThePositiveLabel) {
  Layout layout;
  layout.positive_label = "spam";
  const TaskSpec task = task_of(layout, "a.tsv", Task::classification, {"spam", "ham"});
  EXPECT_EQ(positive_class(task), 0u);
  layout.positive_label = "eggs";
  EXPECT_THROW(task_of(layout, "a.tsv", Task::classification, {"spam", "ham"}), Error);
  layout.positive_label = "a";
  EXPECT_THROW(task_of(layout, "a.tsv", Task::classification, {"a", "b", "c"}), Error);
  EXPECT_THROW(task_of(layout, "a.tsv", Task::regression, {"a"}), Error);
}

}  // namespace
}  // namespace thex::data
