#include "thex/data/conll.h"

#include <gmock/gmock.h>

#include "tests/support/data_files.h"

namespace thex::data {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::tagging;
using Tags = std::vector<std::string>;

const Tags kIob2 = {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};

class ConllTest : public testing::DataFiles {};

TEST_F(ConllTest, SentencesEndAtEmptyLinesAndDocuments) {
  const auto examples = read(tagging(Format::conll, kIob2),
                             "-DOCSTART- -X-\n\nU.N. I-PER\r\nin  O\r\nRome\tI-LOC\r\n\r\n\nPeter I-PER\n"
                             "-DOCSTART- -X- O O\nAnna I-PER\nRome B-PER\n",
                             "x.conll");
  ASSERT_EQ(examples.size(), 3u);
  EXPECT_EQ(examples[0].words, (std::vector<std::string>{"U.N.", "in", "Rome"}));
  EXPECT_EQ(examples[0].tags, (std::vector<int>{1, 0, 3})) << "an entity starts with B in the task's labels";
  EXPECT_TRUE(examples[0].text.empty());
  EXPECT_EQ(examples[1].tags, (std::vector<int>{1}));
  EXPECT_EQ(examples[2].tags, (std::vector<int>{1, 1}));
}

TEST_F(ConllTest, OtherTagsStayWhatTheyAre) {
  TaskSpec task = tagging(Format::conll, {"NN", "VB"});
  EXPECT_EQ(read(task, "dogs NN\nbark VB\n").at(0).tags, (std::vector<int>{0, 1}));
  task.columns.label = "#last";
  EXPECT_EQ(read(task, "dogs x NN\nbark x VB\n").at(0).tags, (std::vector<int>{0, 1}));
  // Without B-PER the labels are IOB1 and nothing is converted.
  EXPECT_EQ(read(tagging(Format::conll, {"O", "I-PER"}), "Ann I-PER\n").at(0).tags, (std::vector<int>{1}));
}

TEST_F(ConllTest, TagsByIndex) {
  EXPECT_EQ(read(tagging(Format::conll, kIob2), "Ann 2\nin 0\nRome 4\n").at(0).tags, (std::vector<int>{1, 0, 3}));
}

TEST_F(ConllTest, WordsInTables) {
  TaskSpec task = tagging(Format::jsonl, kIob2);
  task.columns = {"tokens", "", "ner_tags"};
  EXPECT_EQ(read(task, "{\"tokens\":[\"Ann\",\"in\",\"New York\"],\"ner_tags\":[1,0,\"B-LOC\"]}", "x.jsonl").at(0).tags,
            (std::vector<int>{1, 0, 3}));
  EXPECT_THAT(rejection(task, "{\"tokens\":[\"Ann\",\"in\"],\"ner_tags\":[1]}", "x.jsonl"),
              StartsWith("x.jsonl:1: the sentence has 2 words and 1 tags"));
  const auto empty = read(task, "{\"tokens\":[],\"ner_tags\":[]}", "x.jsonl");
  EXPECT_TRUE(empty.at(0).words.empty() && empty[0].tags.empty()) << "a sentence without words is one";
  task = tagging(Format::tsv, kIob2);
  task.columns = {"words", "", "tags"};
  const auto examples = read(task, "words\ttags\nAnn in  Rome\tB-PER O B-LOC\n");
  EXPECT_EQ(examples.at(0).words.size(), 3u);
  EXPECT_EQ(examples.at(0).tags, (std::vector<int>{1, 0, 3}));
}

TEST_F(ConllTest, Errors) {
  const TaskSpec task = tagging(Format::conll, kIob2);
  EXPECT_EQ(rejection(task, "a O\nb O\n\nc\n"), "x.tsv:4: the line has 1 columns, the lines before have 2");
  EXPECT_THAT(rejection(task, "a\nb\n"), StartsWith("x.tsv:1: no column #2: the line has 1 columns"));
  EXPECT_THAT(rejection(task, "a O\n\nb I-DOG\n"), StartsWith("x.tsv:3: label \"B-DOG\" is none of \"O\", \"B-PER\""));
  EXPECT_THAT(rejection(task, "a O\n\nb NN\n"), StartsWith("x.tsv:3: label \"NN\" is none of"));
  EXPECT_THAT(rejection(task, "\n\n-DOCSTART-\n"), HasSubstr("no examples"));
  TaskSpec named = task;
  named.columns.text = "word";
  EXPECT_THAT(support::error_of(ErrorCode::usage, [&] { read(named, "a O\n"); }), HasSubstr("say #1"));
  TaskSpec texts = testing::custom(Format::conll);
  EXPECT_THAT(support::error_of(ErrorCode::usage, [&] { read(texts, "a O\n"); }), HasSubstr("token classification"));
}

TEST_F(ConllTest, LabelsOfAFileAreIob2) {
  EXPECT_EQ(labels_of(write("a.conll", "Ann I-PER\nLee I-PER\nis O\n\nRome I-LOC\n"), tagging(Format::conll, {})),
            (Tags{"B-LOC", "B-PER", "I-PER", "O"}));
  EXPECT_EQ(labels_of(write("a.conll", "a B-X\nb E-X\nc S-X\nd O\n"), tagging(Format::conll, {})),
            (Tags{"B-X", "E-X", "O", "S-X"}));
  EXPECT_EQ(labels_of(write("a.conll", "dogs NN\nbark VB\n"), tagging(Format::conll, {})), (Tags{"NN", "VB"}));
  EXPECT_EQ(labels_of(write("a.conll", "a I-X\n\nb NN\n"), tagging(Format::conll, {})), (Tags{"I-X", "NN"}));
}

TEST_F(ConllTest, UniversalDependencies) {
  TaskSpec task = tagging(Format::conllu, {"NOUN", "VERB", "DET"});
  task.columns = {"#2", "", "#4"};
  const std::string rest = "\t_\t_\t0\t_\t_\t_\n";
  const std::string text = "# sent_id = 1\n# text = die alten Hunde\n1-2\tzum\t_\t_" + rest + "1\tNew York\t_\tNOUN" +
                           rest + "2\tbellt\t_\tVERB" + rest + "2.1\tbellt\t_\tVERB" + rest +
                           "\n# sent_id = 2\n1\tdie\t_\tDET" + rest + "\n";
  const auto examples = read(task, text, "x.conllu");
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(examples[0].words, (Tags{"New York", "bellt"}));
  EXPECT_EQ(examples[0].tags, (std::vector<int>{0, 1}));
  EXPECT_EQ(examples[1].tags, (std::vector<int>{2}));
  EXPECT_THAT(rejection(task, "1\ta\tb\n2\ta\n", "x.conllu"), HasSubstr("x.conllu:1: no column #4"));
}

}  // namespace
}  // namespace thex::data
