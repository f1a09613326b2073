// The presets on the real files, where they are there.
#include <gmock/gmock.h>

#include <array>

#include "tests/support/data_files.h"
#include "thex/data/metrics.h"

namespace thex::data {
namespace {

class Glue : public ::testing::Test {
 protected:
  void SetUp() override {
    if (folder_.empty()) GTEST_SKIP() << "no optional test data (THEX_DATA)";
  }
  std::vector<Example> read(const char* task, const char* file) const {
    const std::filesystem::path path = folder_ / file;
    return std::filesystem::exists(path) ? read_examples(path, preset(task)) : std::vector<Example>{};
  }
  const std::filesystem::path folder_ = support::data_folder();
};

std::vector<std::size_t> label_counts(const std::vector<Example>& examples) {
  std::vector<std::size_t> counts(3);
  for (const Example& e : examples) ++counts.at(static_cast<std::size_t>(e.label));
  return counts;
}

TEST_F(Glue, OfficialNumbersOfExamples) {
  EXPECT_EQ(read("sst2", "glue/SST-2/train.tsv").size(), 67349u);
  EXPECT_EQ(read("sst2", "glue/SST-2/dev.tsv").size(), 872u);
  EXPECT_EQ(read("mrpc", "glue/MRPC/dev.tsv").size(), 408u);
  EXPECT_EQ(read("rte", "glue/RTE/train.tsv").size(), 2490u);
  EXPECT_EQ(read("rte", "glue/RTE/dev.tsv").size(), 277u);
  EXPECT_EQ(read("stsb", "glue/STS-B/train.tsv").size(), 5749u);
  EXPECT_EQ(read("stsb", "glue/STS-B/dev.tsv").size(), 1500u);
  EXPECT_EQ(read("cola", "glue/CoLA/train.tsv").size(), 8551u);
  EXPECT_EQ(read("cola", "glue/CoLA/dev.tsv").size(), 1043u);
}

// The majority classes that GLUE's papers report: 68.4% of MRPC, 52.7% of RTE, 50.9% of SST-2.
TEST_F(Glue, LabelsMeanWhatTheyShould) {
  EXPECT_EQ(label_counts(read("mrpc", "glue/MRPC/dev.tsv")), (std::vector<std::size_t>{129, 279, 0}));
  EXPECT_EQ(label_counts(read("rte", "glue/RTE/dev.tsv")), (std::vector<std::size_t>{146, 131, 0}));
  EXPECT_EQ(label_counts(read("sst2", "glue/SST-2/dev.tsv")), (std::vector<std::size_t>{428, 444, 0}));
  EXPECT_EQ(label_counts(read("cola", "glue/CoLA/dev.tsv")), (std::vector<std::size_t>{322, 721, 0}));
}

TEST_F(Glue, TextsAreTheRightColumns) {
  const auto mrpc = read("mrpc", "glue/MRPC/dev.tsv");
  ASSERT_FALSE(mrpc.empty());
  EXPECT_THAT(mrpc[0].text, ::testing::StartsWith("He said the foodservice pie business"));
  EXPECT_THAT(mrpc[0].pair.value(), ::testing::StartsWith("\" The foodservice pie business"));
  const auto stsb = read("stsb", "glue/STS-B/dev.tsv");
  ASSERT_GT(stsb.size(), 1u);
  EXPECT_EQ(stsb[1].text, "A young child is riding a horse.");
  EXPECT_EQ(stsb[1].pair, "A child is riding a horse.");
  EXPECT_DOUBLE_EQ(stsb[1].value, 4.75);
  for (const Example& e : stsb) {
    EXPECT_GE(e.value, 0);
    EXPECT_LE(e.value, 5);
  }
  const auto cola = read("cola", "glue/CoLA/dev.tsv");
  ASSERT_FALSE(cola.empty());
  EXPECT_EQ(cola[0].text, "The sailors rode the breeze clear of the rocks.");
}

TEST_F(Glue, QnliAndConllWhereTheyAre) {
  const auto qnli = read("qnli", "glue/QNLI/dev.tsv");
  EXPECT_TRUE(qnli.empty() || qnli.size() == 5463u) << qnli.size();
  struct Part {
    const char* file;
    std::size_t sentences, words, entities;
  };
  // Sentences, tokens and entities of Tjong Kim Sang and De Meulder 2003, tables 1 and 2.
  for (const Part& part : std::array<Part, 3>{{{"conll2003/eng.train", 14041, 203621, 7140 + 3438 + 6321 + 6600},
                                               {"conll2003/eng.testa", 3250, 51362, 1837 + 922 + 1341 + 1842},
                                               {"conll2003/eng.testb", 3453, 46435, 1668 + 702 + 1661 + 1617}}}) {
    const auto sentences = read("conll2003", part.file);
    if (sentences.empty()) continue;
    std::size_t words = 0, entities = 0;
    for (const Example& e : sentences) {
      words += e.words.size();
      for (const int tag : e.tags) entities += tag % 2 == 1;  // O, B-PER, I-PER, B-ORG ..: one B an entity
    }
    EXPECT_EQ(sentences.size(), part.sentences) << part.file;
    EXPECT_EQ(words, part.words) << part.file;
    EXPECT_EQ(entities, part.entities) << part.file;
  }
}

TEST_F(Glue, LabelsOfTheFilesAreThoseOfThePresets) {
  for (const auto& [task, file] :
       {std::pair{"rte", "glue/RTE/train.tsv"}, std::pair{"conll2003", "conll2003/eng.train"}}) {
    if (!std::filesystem::exists(folder_ / file)) continue;
    EXPECT_THAT(labels_of(folder_ / file, preset(task)), ::testing::UnorderedElementsAreArray(preset(task).labels));
  }
}

// GLUE's test files have no labels; CoLA's has other columns than its train and dev files.
TEST_F(Glue, TestFilesWithoutLabels) {
  struct File {
    const char *task, *file;
    std::size_t rows;
    const char* first;
  };
  for (const File& f :
       std::array<File, 6>{{{"sst2", "glue/SST-2/test.tsv", 1821, "uneasy mishmash of styles and genres ."},
                            {"cola", "glue/CoLA/test.tsv", 1063, "Bill whistled past the house."},
                            {"mrpc", "glue/MRPC/test.tsv", 1725, "PCCW 's chief operating officer"},
                            {"stsb", "glue/STS-B/test.tsv", 1379, "A girl is styling her hair."},
                            {"qnli", "glue/QNLI/test.tsv", 5463, "What organization is devoted to Jihad"},
                            {"rte", "glue/RTE/test.tsv", 3000, "Mangla was summoned"}}}) {
    if (!std::filesystem::exists(folder_ / f.file)) continue;
    TaskSpec task = preset(f.task);
    task.columns.label.clear();
    const auto examples = read_examples(folder_ / f.file, task);
    EXPECT_EQ(examples.size(), f.rows) << f.file;
    EXPECT_THAT(examples.at(0).text, ::testing::StartsWith(f.first));
    EXPECT_EQ(examples[0].pair.has_value(), !task.columns.pair.empty());
    EXPECT_EQ(examples[0].label, -1);
  }
}

// MNLI's and QQP's layouts, as their header lines are published; the files themselves are too large to be at hand.
using Layouts = testing::DataFiles;
TEST_F(Layouts, OfFilesThatAreNotHere) {
  const auto mnli = read(preset("mnli"),
                         "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\t"
                         "sentence1_parse\tsentence2_parse\tsentence1\tsentence2\tlabel1\tlabel2\tgold_label\n"
                         "0\t6\t6c\tslate\tp\tp\tp\tp\tThe new rights.\tEveryone.\tneutral\tneutral\tcontradiction\n");
  EXPECT_EQ(mnli.at(0).text, "The new rights.");
  EXPECT_EQ(mnli.at(0).pair, "Everyone.");
  EXPECT_EQ(mnli.at(0).label, 2);
  const auto qqp = read(preset("qqp"),
                        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
                        "1\t2\t3\tcut short\n"
                        "4\t5\t6\tWhat?\tWhat \"else\"?\t0\n");
  ASSERT_EQ(qqp.size(), 1u);
  EXPECT_EQ(qqp[0].pair, "What \"else\"?");
  EXPECT_EQ(qqp[0].label, 0);
}

TEST_F(Layouts, OfTestFilesWithoutLabels) {
  const auto texts = [&](const char* name, const std::string& text) {
    TaskSpec task = preset(name);
    task.columns.label.clear();
    return read(task, text);
  };
  EXPECT_EQ(texts("cola", "index\tsentence\n0\tBill left.\n").at(0).text, "Bill left.");
  EXPECT_EQ(texts("cola", "gj04\t1\t\tThe sailors rode.\n").at(0).text, "The sailors rode.") << "dev, labels unread";
  EXPECT_EQ(texts("sst2", "index\tsentence\n0\tdull .\n").at(0).text, "dull .");
  EXPECT_EQ(texts("qqp", "id\tquestion1\tquestion2\n0\ta?\tb?\n").at(0).pair, "b?");
  EXPECT_EQ(texts("mnli",
                  "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
                  "sentence2_parse\tsentence1\tsentence2\n0\t1\t1\tf\tp\tp\tp\tp\tA.\tB.\n")
                .at(0)
                .pair,
            "B.");
}

}  // namespace
}  // namespace thex::data
