#include "thex/data/layout.h"

#include <gtest/gtest.h>

#include "thex/base/error.h"

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

}  // namespace
}  // namespace thex::data
