// Texts and pairs from tab-separated, comma-separated and JSON-lines files, and what is said about bad ones.
#include "thex/data/table.h"

#include <gmock/gmock.h>

#include <cmath>
#include <sstream>

#include "tests/support/data_files.h"
#include "thex/data/example_reader.h"
#include "thex/data/metrics.h"

namespace thex::data {
namespace {

using testing::custom;
using ::testing::HasSubstr;
using testing::regression;
using ::testing::StartsWith;

class TableTest : public testing::DataFiles {};

TEST_F(TableTest, TsvTakesQuotesAsTheyAre) {
  const auto examples = read(custom(Format::tsv), "sentence\tlabel\nit 's \"good\" \tyes\n\tno\n");
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(examples[0].text, "it 's \"good\" ");
  EXPECT_EQ(examples[0].label, 1);
  EXPECT_FALSE(examples[0].pair);
  EXPECT_TRUE(std::isnan(examples[0].value));
  EXPECT_EQ(examples[1].text, "");
  EXPECT_EQ(examples[1].label, 0);
}

TEST_F(TableTest, OtherColumnsMarksAndLineEnds) {
  TaskSpec task = custom(Format::tsv);
  task.columns.pair = "other";
  const auto examples = read(task, "\xef\xbb\xbflabel\tid\tsentence\tother\r\n0\t7\tä\tb\r\n1\t8\tc\td\r\n\r\n\n");
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(examples[0].text, "ä");
  EXPECT_EQ(examples[0].pair, "b");
  EXPECT_EQ(examples[1].pair, "d");
  EXPECT_EQ(examples[1].label, 1);
}

TEST_F(TableTest, ColumnsByNumber) {
  TaskSpec task = custom(Format::tsv);
  task.columns = {"#3", "", "#1", false};
  const auto examples = read(task, "1\tx\ta\n0\ty\tb");
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(examples[1].text, "b");
  EXPECT_EQ(examples[1].label, 0);
  task.columns.text = "#4";
  EXPECT_EQ(rejection(task, "1\tx\ta\n"), "x.tsv:1: no column #4: the row has 3 columns");
  task.columns.text = "sentence";
  EXPECT_THAT(support::error_of(ErrorCode::usage, [&] { read(task, "1\tx\ta\n"); }), HasSubstr("say #1"));
  // A name that looks like a number goes first, as MRPC's "#1 String" must.
  task.columns = {"#1", "", "label", true};
  EXPECT_EQ(read(task, "label\t#1\n1\ttext\n").at(0).text, "text");
}

TEST_F(TableTest, LabelsByNameOrIndex) {
  EXPECT_EQ(read(custom(Format::tsv), "sentence\tlabel\na\t1\nb\tyes\n")[0].label, 1);
  const TaskSpec numbers = custom(Format::tsv, {"1", "0"});  // names that are numbers are names only
  EXPECT_EQ(read(numbers, "sentence\tlabel\na\t1\n")[0].label, 0);
  EXPECT_THAT(rejection(numbers, "sentence\tlabel\na\t2\n"), HasSubstr(":2: label \"2\" is none of \"1\", \"0\""));
  for (const char* label : {"-1", "", "1x", "one", "99999999999", " 1", "1.0", "2", "Yes"}) {
    EXPECT_THAT(rejection(custom(Format::tsv), std::string("sentence\tlabel\na\t") + label + "\n"),
                StartsWith(std::string("x.tsv:2: label \"") + label +
                           "\" is none of \"no\", \"yes\", or a number from 0 to 1"));
  }
}

TEST_F(TableTest, Regression) {
  const auto examples = read(regression(Format::tsv), "sentence\tlabel\na\t3.800\nb\t-1e-3\n");
  EXPECT_DOUBLE_EQ(examples[0].value, 3.8);
  EXPECT_DOUBLE_EQ(examples[1].value, -1e-3);
  EXPECT_EQ(examples[0].label, -1);
  for (const char* value : {"", "x", "1,5", "nan", "inf", "1e999", "0x10", "1 ", "--1"}) {
    EXPECT_THAT(rejection(regression(Format::tsv), std::string("sentence\tlabel\nz\t1\na\t") + value + "\n"),
                AllOf(StartsWith("x.tsv:3: value"), HasSubstr("is not a number")))
        << value;
  }
}

TEST_F(TableTest, TsvErrorsGiveFileAndLine) {
  const TaskSpec task = custom(Format::tsv);
  EXPECT_THAT(rejection(task, "text\tlabel\na\t1\n"),
              StartsWith("x.tsv:1: no column \"sentence\"; the header line has \"text\", \"label\""));
  EXPECT_EQ(rejection(task, "sentence\tlabel\na\n"), "x.tsv:2: the row has 1 columns, the header line has 2");
  EXPECT_THAT(rejection(task, "sentence\tlabel\na\tb\t1\n"), HasSubstr(":2: the row has 3 columns"));
  EXPECT_THAT(rejection(task, "sentence\tlabel\tlabel\na\tb\t1\n"), HasSubstr(":1: the header line names the column"));
  EXPECT_THAT(rejection(task, "sentence\tlabel\na\t1\n\nb\t1\n"), HasSubstr(":3: an empty line"));
  EXPECT_THAT(rejection(task, "sentence\tlabel\na\xff\t1\n"), HasSubstr(":2: not UTF-8 at byte 1"));
  EXPECT_THAT(rejection(task, std::string("sentence\tlabel\nab\0\t1\n", 21)), HasSubstr(":2: a NUL byte at byte 2"));
  EXPECT_THAT(rejection(task, "sentence\tlabel\n" + std::string((1u << 20) + 1, 'a')), HasSubstr(":2: the line has"));
  EXPECT_THAT(rejection(task, "sentence\tlabel\n" + std::string(5000, '\t')),
              HasSubstr(":2: the row has 5001 columns"));
  for (const char* empty : {"", "\n", "\n\n", "sentence\tlabel\n", "\xef\xbb\xbf"}) {
    EXPECT_THAT(rejection(task, empty), StartsWith("x.tsv: no examples")) << '"' << empty << '"';
  }
  support::error_of(ErrorCode::file, [&] { read_examples("/nonexistent.tsv", task); });
  support::error_of(ErrorCode::file, [&] { read_examples(folder_.path(), task); });
}

TEST_F(TableTest, ALineOfAMegabyteIsRead) {
  const std::string text((1u << 20) - 2, 'a');
  EXPECT_EQ(read(custom(Format::tsv), "sentence\tlabel\n" + text + "\t1\n").at(0).text, text);
}

TEST_F(TableTest, ShortRowsAreLeftOutWhereTheTaskSaysSo) {
  TaskSpec task = custom(Format::tsv);
  task.columns.skip_short = true;
  const std::string text = "id\tsentence\tlabel\n1\ta\n2\tb\t1\n";
  EXPECT_EQ(read(task, text).size(), 1u);
  std::istringstream stream(text);
  LineReader lines(stream, "s");
  TableReader table(lines, Format::tsv, {"sentence"}, true, true);
  Row row;
  EXPECT_TRUE(table.next(row));
  EXPECT_EQ(row.line, 3u);
  EXPECT_FALSE(table.next(row));
  EXPECT_EQ(table.skipped(), 1u);
  EXPECT_THAT(rejection(task, text + "3\tc\td\te\n"), HasSubstr("4 columns"));
  ReadCounts counts;
  EXPECT_EQ(read_examples(write("short.tsv", text + "4\n"), task, &counts).size(), 1u);
  EXPECT_EQ(counts.examples, 1u);
  EXPECT_EQ(counts.skipped_short, 2u) << "also behind the last example";
}

// A header line that lacks a column often belongs to another format.
TEST_F(TableTest, WhatAHeaderLineLooksLike) {
  const std::tuple<Format, const char*, const char*> cases[] = {
      {Format::csv, "sentence;label\na;1\n", "semicolons"},
      {Format::csv, "sentence\tlabel\na\t1\n", "--format tsv"},
      {Format::tsv, "sentence,label\na,1\n", "--format csv"},
      {Format::tsv, "{\"sentence\": \"a\", \"label\": 1}\n", "--format jsonl"},
      {Format::tsv, "[{\"sentence\": \"a\", \"label\": 1}]\n", "--format json"},
      {Format::csv, "sentence,label\ra,1\rb,0\r", "carriage returns"},
      {Format::tsv, "john B-PER\nsmith I-PER\n", "conll"},
      {Format::tsv, "Sentence\tlabel\na\t1\n", "--text-column"},
      {Format::tsv, "index\tsentence\n0\ta\n", "'thex classify'"}};
  for (const auto& [format, text, advice] : cases)
    EXPECT_THAT(rejection(custom(format), text), HasSubstr(advice)) << text;
  TaskSpec cola = preset("cola");
  EXPECT_THAT(rejection(cola, "index\tsentence\n0\tfilm good\n"), HasSubstr("'thex classify'"));
}

TEST_F(TableTest, OtherKindsOfFilesAreNamed) {
  const std::pair<const char*, std::string> cases[] = {{"Parquet", "PAR1\x15\x04"},
                                                       {"sheet", "PK\x03\x04\x14"},
                                                       {"gunzip", "\x1f\x8b\x08"},
                                                       {"iconv", "\xff\xfes"},
                                                       {"git lfs", "version https://git-lfs.github.com/spec/v1\n"}};
  for (const auto& [advice, bytes] : cases) {
    const auto file = write("data.csv", bytes);
    EXPECT_THAT(support::error_of(ErrorCode::file, [&] { read_examples(file, custom(Format::csv)); }),
                HasSubstr(advice));
  }
}

TEST_F(TableTest, CsvAsRfc4180) {
  const auto examples = read(custom(Format::csv),
                             "label,\"sentence\"\r\n"
                             "yes,plain\r\n"
                             "no,\"a, \"\"quoted\"\" one\"\r\n"
                             "yes,\"two\r\nlines\"\r\n"
                             "no,\"one\n\nmore\"\n"
                             "yes,\"\"\n"
                             "no,",
                             "x.csv");
  ASSERT_EQ(examples.size(), 6u);
  EXPECT_EQ(examples[0].text, "plain");
  EXPECT_EQ(examples[1].text, "a, \"quoted\" one");
  EXPECT_EQ(examples[1].label, 0);
  EXPECT_EQ(examples[2].text, "two\r\nlines");
  EXPECT_EQ(examples[3].text, "one\n\nmore");
  EXPECT_EQ(examples[4].text, "");
  EXPECT_EQ(examples[5].text, "");
}

TEST_F(TableTest, CsvErrors) {
  const TaskSpec task = custom(Format::csv);
  const std::string header = "sentence,label\n";
  EXPECT_EQ(rejection(task, header + "a,1\n\"b,1\nc,1\n", "x.csv"),
            "x.csv:3: the quoted field 1 that starts here is not closed before the end of " +
                (folder_.path() / "x.csv").string() + "; is the file complete?");
  EXPECT_THAT(rejection(task, header + "\"a\nb\" c,1\n", "x.csv"), StartsWith("x.csv:3: field 1 goes on after"));
  EXPECT_THAT(rejection(task, header + "1,a \"b\"\n", "x.csv"), StartsWith("x.csv:2: field 2 has a quote"));
  EXPECT_THAT(rejection(task, header + "\"a\n\",1,2\n", "x.csv"), StartsWith("x.csv:2: the row has 3 columns"));
  EXPECT_THAT(rejection(task, header + "\"a\nb\",5\n", "x.csv"), StartsWith("x.csv:2: label \"5\""));
  std::string endless = header + "\"";
  for (int i = 0; i < 600; ++i) endless += std::string(2000, 'a') + "\n";
  EXPECT_THAT(rejection(task, endless, "x.csv"), StartsWith("x.csv:2: the record that starts here has more than"));
}

TEST_F(TableTest, JsonLines) {
  TaskSpec task = custom(Format::jsonl);
  task.columns.pair = "b";
  const auto examples = read(task,
                             "{\"sentence\": \"a\\n\\u00e4\", \"b\": \"x\", \"label\": 1, \"more\": [{}, null]}\r\n"
                             "{\"label\": \"no\", \"sentence\": 12, \"b\": \"\"}\n\n",
                             "x.jsonl");
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(examples[0].text, "a\nä");
  EXPECT_EQ(examples[0].label, 1);
  EXPECT_EQ(examples[1].label, 0);
  EXPECT_EQ(examples[1].text, "12");
  const auto values = read(regression(Format::jsonl), "{\"sentence\":\"a\",\"label\":0.25}", "y.jsonl");
  EXPECT_DOUBLE_EQ(values.at(0).value, 0.25);
}

TEST_F(TableTest, JsonErrors) {
  const TaskSpec task = custom(Format::jsonl);
  const std::string good = "{\"sentence\":\"a\",\"label\":1}\n";
  const auto says = [&](const std::string& line) { return rejection(task, good + line, "x.jsonl"); };
  EXPECT_THAT(says("{\"text\":\"a\",\"label\":1}"), StartsWith("x.jsonl:2: no field \"sentence\"; the object has "
                                                               "\"label\", \"text\""));
  EXPECT_THAT(says("[1]"), HasSubstr(":2: the line is no JSON object"));
  EXPECT_THAT(says("{\"sentence\": "), HasSubstr(":2: the line is not valid JSON"));
  EXPECT_THAT(says("{\"sentence\":\"a\",\"label\":1} x"), HasSubstr(":2: the line is not valid JSON"));
  EXPECT_THAT(says("{\"sentence\":null,\"label\":1}"), HasSubstr(":2: the field \"sentence\" is null"));
  EXPECT_THAT(says("{\"sentence\":{},\"label\":1}"), HasSubstr("an object"));
  EXPECT_THAT(says("{\"sentence\":[\"a\"],\"label\":1}"), HasSubstr(":2: the text is an array"));
  EXPECT_THAT(says("{\"sentence\":[[]],\"label\":1}"), HasSubstr("element 0"));
  EXPECT_THAT(says("{\"sentence\":\"a\",\"label\":1.0}"), HasSubstr("label \"1.0\""));
  EXPECT_THAT(says("{\"sentence\":\"a\\u0000\",\"label\":1}"), HasSubstr("NUL"));
  EXPECT_THAT(says("{\"sentence\":\"a\",\"sentence\":\"b\",\"label\":1}"), HasSubstr("twice"));
  EXPECT_THAT(says("{\"sentence\":" + std::string(100000, '[') + "\n"), HasSubstr("deeper than 16 levels"));
  EXPECT_THAT(says("\n" + good), HasSubstr(":2: an empty line"));
}

TEST(LineReader, TakesNoMoreThanItNeeds) {
  std::istringstream stream("first\nsecond\nthird");
  LineReader lines(stream, "s");
  std::string line;
  ASSERT_TRUE(lines.next(line));
  EXPECT_EQ(stream.tellg(), 6);
  ASSERT_TRUE(lines.next(line));
  ASSERT_TRUE(lines.next(line));
  EXPECT_EQ(line, "third");
  EXPECT_EQ(lines.origin(), "s:3");
  EXPECT_FALSE(lines.next(line));
}

TEST(ExampleReader, StreamsUnlabelledPairs) {
  TaskSpec task = custom(Format::tsv, {});
  task.columns = {"a", "b", ""};
  std::istringstream stream("a\tb\nx\ty\nz\tw\n");
  ExampleReader reader(stream, "standard input", task);
  const auto example = reader.next();
  ASSERT_TRUE(example);
  EXPECT_EQ(stream.tellg(), 8) << "a pipe is answered line by line";
  EXPECT_EQ(example->text, "x");
  EXPECT_EQ(example->pair, "y");
  EXPECT_EQ(example->label, -1);
  EXPECT_EQ(reader.origin(), "standard input:2");
  EXPECT_TRUE(reader.next());
  EXPECT_FALSE(reader.next());
}

TEST_F(TableTest, LabelsOfAFile) {
  EXPECT_EQ(labels_of(write("a.tsv", "sentence\tlabel\na\tz\nb\ta\nc\tz\n"), custom(Format::tsv, {})),
            (std::vector<std::string>{"a", "z"}));
  EXPECT_EQ(labels_of(write("a.tsv", "sentence\tlabel\na\t2\nb\t0\nc\t1\n"), custom(Format::tsv, {})),
            (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(labels_of(write("a.tsv", "sentence\tlabel\na\t3\nb\t1\n"), custom(Format::tsv, {})),
            (std::vector<std::string>{"1", "3"}));
  EXPECT_EQ(labels_of(write("a.tsv", "sentence\tlabel\na\t10\nb\t9\nc\t-1\nd\t2.5\n"), custom(Format::tsv, {})),
            (std::vector<std::string>{"-1", "2.5", "9", "10"}))
      << "numbers by their value";
  const auto rejects = [&](const std::string& text) {
    return support::error_of(ErrorCode::input, [&] { labels_of(write("a.tsv", text), custom(Format::tsv, {})); });
  };
  EXPECT_THAT(rejects("sentence\tlabel\na\tz\n"), HasSubstr("only the label \"z\""));
  EXPECT_THAT(rejects("sentence\tlabel\n"), HasSubstr("no examples"));
  std::string many = "sentence\tlabel\n";
  for (int i = 0; i < 65; ++i) many += "a\tl" + std::to_string(i) + "\n";
  EXPECT_THAT(rejects(many), HasSubstr("a.tsv:66: more than 64 labels"));
}

TEST(Task, FormatsAndPresets) {
  EXPECT_EQ(format_of("a/b.csv"), Format::csv);
  EXPECT_EQ(format_of("b.conll"), Format::conll);
  EXPECT_THAT(support::error_of(ErrorCode::usage, [] { format_of("eng.testa"); }), HasSubstr("--format"));
  for (const std::string& name : preset_names()) EXPECT_EQ(preset(name).name, name);
  EXPECT_EQ(preset_names().size(), 9u);
  EXPECT_THAT(support::error_of(ErrorCode::usage, [] { preset("sst"); }), HasSubstr("sst2, mrpc, rte"));
}

TEST_F(TableTest, JsonArrays) {
  const TaskSpec task = custom(Format::json);
  const auto check = [&](const std::string& text) {
    const auto examples = read(task, text, "x.json");
    ASSERT_EQ(examples.size(), 2u) << text;
    EXPECT_EQ(examples[0].text, "a, ]\"}\\");
    EXPECT_EQ(examples[1].text, "b");
    EXPECT_EQ(examples[1].label, 1);
  };
  const std::string a = R"({"sentence":"a, ]\"}\\","label":"no"})", b = R"({"label":1,"sentence":"b"})";
  check("[" + a + "," + b + "]");
  check("\xef\xbb\xbf\r\n[\r\n  " + a + " ,\r\n\t" + b + "\r\n]\r\n\n");
  check(a + "\n" + b + "\n");
  check("\xef\xbb\xbf" + a + "\r\n" + b);
  check("[{\"sentence\":\n\"a, ]\\\"}\\\\\",\n\"label\":0}, " + b + "]");
  const auto says = [&](const std::string& text) { return rejection(task, text, "x.json"); };
  EXPECT_THAT(says("[\n" + a + ",\n" + b), HasSubstr("x.json:3: the JSON array's element"));
  EXPECT_THAT(says("[" + a + "] x"), HasSubstr("follows the end"));
  EXPECT_THAT(says("[" + a + ",]"), HasSubstr("is not valid JSON"));
  EXPECT_THAT(says("[" + a + "\n" + b + "]"), HasSubstr("is not valid JSON"));
  EXPECT_THAT(says("[1, 2]"), HasSubstr("is no JSON object"));
  EXPECT_THAT(says("[]"), HasSubstr("no examples"));
  EXPECT_THAT(says("{\n\"sentence\": 1}"), HasSubstr("array of objects, or has one object a line"));
  EXPECT_THAT(says("[\n\n{\"text\": 1}]"), HasSubstr("x.json:3: no field \"sentence\""));
  EXPECT_THAT(says("[\n{\"sentence\":\"\xff\",\"label\":1}]"), HasSubstr("x.json:2: not UTF-8"));
  EXPECT_THAT(says("[{\"sentence\":\"" + std::string(kMaxLineBytes, 'a') + "\"}]"), HasSubstr("more than"));
  EXPECT_THAT(says("[" + std::string(kMaxLineBytes - 100, '[')), HasSubstr("not closed"));
  // As people write it: an array where --format says lines.
  EXPECT_THAT(rejection(custom(Format::jsonl), "[" + a + "]", "x.jsonl"), HasSubstr("--format json"));
}

// A file that has nothing but one line, column or record costs one pass, and says what is wrong.
TEST_F(TableTest, HostileFiles) {
  const std::string wide = std::string(kMaxLineBytes - 10, '\t');
  EXPECT_THAT(rejection(custom(Format::tsv), wide), HasSubstr("columns, at most 4096"));
  EXPECT_THAT(rejection(custom(Format::csv), std::string(kMaxLineBytes - 10, ',')), HasSubstr("columns, at most 4096"));
  const std::string endless(4 * kMaxLineBytes, 'a');
  for (const Format format : {Format::tsv, Format::csv, Format::jsonl, Format::json})
    EXPECT_THAT(rejection(custom(format), endless), HasSubstr("has more than 1048576 bytes"));
  EXPECT_THAT(rejection(custom(Format::json), "[" + endless), HasSubstr("more than 1048576 bytes"));
}

TEST_F(TableTest, EmptyTexts) {
  TaskSpec task = custom(Format::tsv);
  const std::string text = "sentence\tlabel\na film\t1\n\t0\n \u00a0\u200d\t1\n";
  ReadCounts counts;
  EXPECT_EQ(read_examples(write("x.tsv", text), task, &counts).size(), 3u);
  EXPECT_EQ(counts.examples, 3u);
  EXPECT_EQ(counts.empty, 2u);
  EXPECT_EQ(counts.skipped_empty, 0u);
  task.skip_empty = true;
  EXPECT_EQ(read_examples(write("x.tsv", text), task, &counts).size(), 1u);
  EXPECT_EQ(counts.examples, 1u);
  EXPECT_EQ(counts.skipped_empty, 2u);
  // One empty text of a pair.
  TaskSpec pairs = custom(Format::csv);
  pairs.columns.pair = "b";
  read_examples(write("x.csv", "sentence,b,label\na,,1\n,b,0\na,b,0\n"), pairs, &counts);
  EXPECT_EQ(counts.empty, 2u);
  // Rows of one column: an empty line is one, but not at the end.
  TaskSpec texts = custom(Format::tsv, {});
  texts.columns = {"sentence", "", ""};
  for (const char* name : {"x.tsv", "x.csv"}) {
    texts.format = *format_in_name(name);
    const auto path = write(name, "sentence\na\n\n\nb\n\n");
    std::ifstream stream(path);
    ExampleReader reader(stream, name, texts);
    for (const auto& [expected, line] : {std::pair{"a", 2}, {"", 3}, {"", 4}, {"b", 5}}) {
      const auto example = reader.next();
      ASSERT_TRUE(example);
      EXPECT_EQ(example->text, expected);
      EXPECT_EQ(reader.origin(), std::string(name) + ":" + std::to_string(line));
    }
    EXPECT_FALSE(reader.next());
    EXPECT_EQ(reader.counts().empty, 2u);
  }
}

TEST(Labels, WhichClassIsPositive) {
  const auto positive = [](std::vector<std::string> labels, const std::string& named = "") {
    TaskSpec task = custom(Format::tsv, std::move(labels));
    task.positive = named;
    return task.labels[*positive_class(task)];
  };
  for (const auto& [yes, no] : {std::pair{"true", "false"},
                                {"TRUE", "FALSE"},
                                {"yes", "no"},
                                {"positive", "negative"},
                                {"1", "0"},
                                {"duplicate", "not_duplicate"},
                                {"acceptable", "unacceptable"},
                                {"hate", "nothate"},
                                {"1", "-1"},
                                {"1.0", "0.0"},
                                {"LABEL_1", "LABEL_0"},
                                {"spam", "ham"},
                                {"good", "bad"},
                                {"Toxic", "Non-toxic"}}) {
    EXPECT_EQ(positive({yes, no}), yes);
    EXPECT_EQ(positive({no, yes}), yes) << "whatever the order";
  }
  EXPECT_EQ(positive({"cats", "dogs"}), "dogs") << "the second one";
  EXPECT_EQ(positive({"dogs", "cats"}), "cats") << "the second one";
  EXPECT_EQ(positive({"ham", "spam"}, "0"), "ham") << "a number, as files may write labels";
  EXPECT_EQ(positive({"false", "true"}, "false"), "false");
  EXPECT_EQ(positive({"ham", "spam"}, "HAM"), "ham");
  EXPECT_FALSE(positive_class(custom(Format::tsv, {"a", "b", "c"})));
  EXPECT_FALSE(positive_class(regression(Format::tsv)));
  TaskSpec task = custom(Format::tsv, {"ham", "spam"});
  task.positive = "eggs";
  EXPECT_THAT(support::error_of(ErrorCode::usage, [&] { positive_class(task); }), HasSubstr("\"ham\", \"spam\""));
  // What f1 makes of it, by hand: of "spam" 2/3, of "ham" 4/5.
  Outcomes o;
  o.predicted = {0, 1, 1, 0}, o.gold = {0, 1, 0, 0};
  task.positive = "";
  EXPECT_DOUBLE_EQ(task_score(Metric::f1, o, task), 2.0 / 3);
  task.positive = "ham";
  EXPECT_DOUBLE_EQ(task_score(Metric::f1, o, task), 0.8);
  EXPECT_DOUBLE_EQ(task_score(Metric::matthews, o, task), 2 / std::sqrt(12.0)) << "the same for both";
}

TEST(Labels, OutputsOfOneName) {
  EXPECT_NO_THROW(require_distinct({"a", "b", "A"}));
  EXPECT_THAT(support::error_of(ErrorCode::model,
                                [] {
                                  require_distinct({"a", "b", "a"});
                                }),
              HasSubstr("\"id2label\" names the label \"a\" twice"));
}

TEST(Labels, MatchAModels) {
  EXPECT_EQ(match_labels({"negative", "positive"}, {"POSITIVE", "NEGATIVE"}), (std::vector<int>{1, 0}));
  EXPECT_EQ(match_labels({"a", "b"}, {"LABEL_0", "LABEL_1"}), (std::vector<int>{0, 1}));
  EXPECT_EQ(match_labels({"a", "b"}, {"0", "1"}), (std::vector<int>{0, 1}));
  EXPECT_THAT(support::error_of(ErrorCode::usage, [] { match_labels({"a", "b"}, {"1", "0"}); }), HasSubstr("\"a\""));
  EXPECT_THAT(support::error_of(ErrorCode::usage, [] { match_labels({"a", "b"}, {"a", "c"}); }), HasSubstr("\"b\""));
  EXPECT_THAT(support::error_of(ErrorCode::usage, [] { match_labels({"a", "b"}, {"a"}); }), HasSubstr("2 labels"));
}

}  // namespace
}  // namespace thex::data
