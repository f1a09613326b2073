// Texts and data as people have them: names that decide the format, empty texts, test files without labels, tags of any
// scheme, control characters, counts out of range, and the class that f1 counts.
#include <algorithm>
#include <regex>
#include <set>

#include "tests/support/cli_world.h"

namespace thex::testing {
namespace {

using model::Task;

const CliWorld& world() { return CliWorld::instance(); }

std::string file(const std::string& name, const std::string& text) {
  write_file_atomically(world().folder() / name, text);
  return (world().folder() / name).string();
}

// The small model with another head.
std::string model_for(const std::string& name, Task task, const std::vector<std::string>& labels) {
  const auto folder = world().folder() / name;
  write_model(folder, {.seed = 5, .task = task, .labels = labels});
  return folder.string();
}

Json json_of(std::vector<std::string> arguments) {
  arguments.emplace_back("--json");
  const Finished f = world().thex(arguments);
  EXPECT_EQ(f.status, 0) << f.errors;
  return Json::parse(f.output, nullptr, false);
}

std::vector<std::string> texts_of(const Finished& f) {
  EXPECT_EQ(f.status, 0) << f.errors;
  std::vector<std::string> texts;
  std::istringstream lines(f.output);
  for (std::string line; std::getline(lines, line);) {
    const Json json = Json::parse(line, nullptr, false);
    texts.push_back(json.is_object() ? json.value("text", "") : "not JSON: " + line);
  }
  return texts;
}

const RunningServer& server() {
  static const RunningServer running;
  return running;
}

Finished classify(std::vector<std::string> arguments, const std::string& input = "") {
  arguments.insert(arguments.begin(), {"classify", "--server", server().address});
  return world().thex(arguments, input);
}

TEST(Input, TheNameOfTheFileDecides) {
  using Texts = std::vector<std::string>;
  const Texts expected{"a good film", "it is dull"};
  for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{
           {"n.csv", ",sentence,label\n0,a good film,1\n1,it is dull,0\n"},
           {"n.CSV", "sentence\na good film\nit is dull\n"},
           {"n.tsv", "sentence\tlabel\na good film\t1\nit is dull\t0\n"},
           {"n.jsonl", "{\"sentence\":\"a good film\"}\n{\"sentence\":\"it is dull\"}\n"},
           {"n.JSON", "[{\"sentence\":\"a good film\"},\n {\"sentence\":\"it is dull\"}]\n"},
           {"n.txt", "a good film\nit is dull\n"},
           {"n.text", "a good film\nit is dull\n"}}) {
    EXPECT_EQ(texts_of(classify({"--input", file(name, text), "--json"})), expected) << name;
  }
  EXPECT_EQ(texts_of(classify({"--input", "-", "--json"}, "a good film\nit is dull\n")), expected);
  EXPECT_EQ(texts_of(classify({"--input", "-", "--format", "json", "--json"},
                              "[{\"sentence\":\"a good film\"},{\"sentence\":\"it is dull\"}]")),
            expected);
  expect_error(classify({"--input", file("other.csv", "review\na good film\n")}), ErrorCode::input, "--text-column");
}

TEST(Input, TestFilesOfKnownTasks) {
  const std::string cola = file("cola.tsv", "index\tsentence\n0\tthe film was good .\n1\tfilm the was good .\n");
  EXPECT_EQ(texts_of(classify({"--task", "cola", "--input", cola, "--json"})),
            (std::vector<std::string>{"the film was good .", "film the was good ."}));
}

TEST(Input, OtherKindsOfFilesAreNotReadAsText) {
  const std::string sheet = file("reviews.xlsx", std::string("PK\x03\x04\x14", 5));
  expect_error(classify({"--input", sheet}), ErrorCode::file, "save the sheet as CSV");
  expect_error(world().thex({"eval", "-d", sheet}), ErrorCode::file, "save the sheet as CSV");
  expect_error(world().thex({"eval", "-d", file("d.tsv", "PAR1\x15")}), ErrorCode::file, "Parquet");
}

// A file of tagged words by the name .txt is to classify what it is to eval; other lines are texts.
TEST(Input, TaggedWordsInATextFile) {
  const std::string tagger = model_for("txt-tagger", Task::token_classification, {"O", "B-X", "I-X"});
  const auto texts = [&](const std::string& name, const std::string& text) {
    return texts_of(world().thex({"classify", "-m", tagger, "--input", file(name, text), "--json"}));
  };
  EXPECT_EQ(texts("tagged.txt", "a O\ngood B-X\n\nfilm O\n"), (std::vector<std::string>{"a good", "film"}));
  EXPECT_EQ(texts("lines.txt", "a O\nit is good\n"), (std::vector<std::string>{"a O", "it is good"}));
}

TEST(Input, RowsThatAreCutShortAreCounted) {
  const std::string rows =
      file("qqp.tsv", "id\tquestion1\tquestion2\tis_duplicate\n0\ta\tb\t1\n1\tcut\n2\tgood\tbad\t0\n");
  const Finished texts = classify({"--task", "qqp", "--input", rows, "--json"});
  EXPECT_EQ(texts_of(texts), (std::vector<std::string>{"a", "good"}));
  EXPECT_NE(texts.errors.find("1 of 3 rows have fewer columns"), std::string::npos) << texts.errors;
  const std::string model = model_for("qqp-model", Task::classification, {"not_duplicate", "duplicate"});
  const Json json = json_of({"eval", "-m", model, "--task", "qqp", "-d", rows});
  EXPECT_EQ(json["examples"], 2);
  EXPECT_EQ(json["skipped_short"], 1);
}

// A variable of a script that was not set: another model, server or file would be taken silently.
TEST(Input, AnEmptyValueIsNoMissingOption) {
  for (const char* option : {"--model", "--server", "--keys", "--input", "--output", "--task", "--text-column"})
    expect_error(world().thex({"classify", "a good film", option, ""}), ErrorCode::usage, "the value is empty");
  expect_error(world().thex({"eval", "-d", ""}), ErrorCode::usage, "--data: the value is empty");
  expect_error(world().thex({"eval", "-d", world().data(), "--positive-label", ""}), ErrorCode::usage, "is empty");
  expect_error(world().thex({"classify", ""}), ErrorCode::input, "no words");
}

TEST(Input, EmptyTextsCount) {
  const std::string lines = file("empty.txt", "a good film\n\n  \nit is dull\n");
  const Finished all = classify({"--input", lines, "--json"});
  EXPECT_EQ(texts_of(all), (std::vector<std::string>{"a good film", "", "  ", "it is dull"}));
  EXPECT_NE(all.errors.find("2 of 4 texts are empty"), std::string::npos) << all.errors;
  std::istringstream results(all.output);
  std::string line;
  std::getline(results, line), std::getline(results, line);
  EXPECT_EQ(Json::parse(line)["tokens"], 2) << "[CLS] and [SEP]";
  const Finished some = classify({"--input", lines, "--json", "--skip-empty"});
  EXPECT_EQ(texts_of(some), (std::vector<std::string>{"a good film", "it is dull"}));
  EXPECT_NE(some.errors.find("2 of 4 texts are empty; left out"), std::string::npos) << some.errors;
  expect_error(classify({"--input", file("blank.txt", "\n \n"), "--skip-empty"}), ErrorCode::input, "not empty");

  const std::string pairs =
      file("pairs.csv", "sentence,b,label\na good film,a bad film,0\na good film,,0\ndull,bad,1\n");
  for (const char* mode : {"plain", "encrypted"}) {
    const Json json = json_of({"eval", "-d", pairs, "--pair-column", "b", "--mode", mode});
    EXPECT_EQ(json["examples"], 3) << mode;
    EXPECT_EQ(json["empty"], 1) << mode;
  }
  const Json json = json_of({"eval", "-d", pairs, "--pair-column", "b", "--skip-empty"});
  EXPECT_EQ(json["examples"], 2);
  EXPECT_EQ(json["skipped_empty"], 1);

  const std::string tagger = model_for("empty-tagger", Task::token_classification, {"O", "B-X", "I-X"});
  const std::string words = file(
      "empty.jsonl", "{\"sentence\":[\"good\",\"film\"],\"label\":[\"O\",\"B-X\"]}\n{\"sentence\":[],\"label\":[]}\n");
  EXPECT_EQ(json_of({"eval", "-m", tagger, "-d", words})["empty"], 1);
  EXPECT_EQ(texts_of(world().thex({"classify", "-m", tagger, "--input", words, "--json"})),
            (std::vector<std::string>{"good film", ""}));
}

TEST(Input, OneResultIsOneLine) {
  const std::string forged = "a bad film\npositive  1.0000  a good film\r\t\x1b[2J\u009b31m\u202e\u2028";
  const std::string data = file("forged.jsonl", Json{{"sentence", forged}, {"label", 1}}.dump() + "\n");
  const Finished text = classify({"--input", data});
  ASSERT_EQ(text.status, 0) << text.errors;
  EXPECT_EQ(count_lines(text.output), 1u) << text.output;
  EXPECT_NE(text.output.find("a bad film\\npositive  1.0000  a good film\\r\\t\\x1b[2J\\u009b31m\\u202e\\u2028"),
            std::string::npos)
      << text.output;
  const Finished json = classify({"--input", data, "--json"});
  EXPECT_EQ(texts_of(json), (std::vector<std::string>{forged})) << "the same text";
  for (const char* part : {"\u009b", "\u202e", "\u2028"}) EXPECT_EQ(json.output.find(part), std::string::npos);
  // Labels, of texts and of words.
  const std::string label = "pos\n\x1b[31m";
  const std::string evil = model_for("evil\nmodel", Task::classification, {"no", label});
  const Finished eval = world().thex({"eval", "-m", evil, "-d", file("e.tsv", "sentence\tlabel\ngood\t1\nbad\t0\n")});
  EXPECT_EQ(eval.status, 0) << eval.errors;
  EXPECT_NE(eval.output.find("positive_label          pos\\n\\x1b[31m\n"), std::string::npos) << eval.output;
  const Finished inspect = world().thex({"inspect", "-m", evil});
  EXPECT_NE(inspect.output.find("evil\\nmodel: 1 layers"), std::string::npos) << inspect.output;
  const std::string tagger = model_for("evil-tagger", Task::token_classification, {"B-\n\x1b[2J", "I-\n\x1b[2J"});
  const Finished tagged = world().thex({"classify", "-m", tagger, "a good\u009bfilm"});
  EXPECT_EQ(tagged.status, 0) << tagged.errors;
  EXPECT_EQ(tagged.output.find('\x1b'), std::string::npos) << tagged.output;
  EXPECT_EQ(tagged.output.find("\u009b"), std::string::npos) << tagged.output;
  // What a server says and logs of a model's folder and labels.
  const std::string named = model_for("evil\u009b31m\xff", Task::classification, {"no", "\u202ey\u009b"});
  Process process({CliWorld::program(), "serve", "-m", named, "--listen", "127.0.0.1:0", "--json"},
                  world().environment());
  const Json said = Json::parse(process.line(), nullptr, false);
  ASSERT_TRUE(said.is_object()) << process.errors;
  EXPECT_EQ(said["labels"], (Json{"no", "\u202ey\u009b"}));
  EXPECT_EQ(said["model"], "evil\u009b31m\ufffd");
  process.kill(SIGTERM);
  EXPECT_EQ(process.wait(), 0);
  EXPECT_NE(process.errors.find("evil\\u009b31m\\xff: plan"), std::string::npos) << process.errors;
  for (const char* part : {"\u009b", "\u202e", "\xff", "\x1b"})
    EXPECT_EQ((process.output + process.errors).find(part), std::string::npos) << process.output << process.errors;
  // Names of files and arguments in messages.
  const Finished error = world().thex({"eval", "-d", "no\x1b]0;x\x07\nfile\xff.tsv"});
  expect_error(error, ErrorCode::file, "no\\x1b]0;x\\x07\\nfile\\xff.tsv");
  expect_error(world().thex({"eval", "--mode", "\x1b[2J\n"}), ErrorCode::usage, "\\x1b[2J\\n");
}

TEST(Input, TagsOfEveryScheme) {
  const std::string data = file("t.BIO", "a O\ngood I-PER\nfilm I-PER\n\nthe O\nmovie I-LOC\n");
  struct Case {
    std::vector<std::string> labels;
    const char* scheme;
  };
  for (const Case& c :
       {Case{{"B-LOC", "I-LOC", "I-PER", "O"}, "IOB1"}, Case{{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"}, "IOB2"},
        Case{{"O", "B-PER", "I-PER", "E-PER", "S-PER", "S-LOC"}, "BIOES"},
        Case{{"O", "B-PER", "I-PER", "L-PER", "U-PER", "U-LOC"}, "BILOU"}}) {
    const std::string model = model_for(std::string("tags-") + c.scheme, Task::token_classification, c.labels);
    const Json json = json_of({"eval", "-m", model, "-d", data});
    EXPECT_EQ(json["metric"], "entity_f1");
    EXPECT_EQ(json["tag_scheme"], c.scheme);
    EXPECT_EQ(json["data_tag_scheme"], "IOB1");
    EXPECT_EQ(json_of({"inspect", "-m", model})["model"]["tag_scheme"], c.scheme);
    // What classify shows as entities is what eval counts.
    const Json answer = json_of({"classify", "-m", model, "the good film is a movie"});
    bool tagged = false;
    for (const Json& word : answer["words"]) tagged |= word["tag"] != "O";
    EXPECT_EQ(!answer["entities"].empty(), tagged) << c.scheme;
  }
  const std::string plain = model_for("tags-none", Task::token_classification, {"DET", "NOUN", "B-X"});
  const Json json = json_of(
      {"eval", "-m", plain, "-d",
       file("pos.conllu", "# a comment\n1\tthe\t_\tDET\t_\t_\t_\t_\t_\t_\n2\tfilm\t_\tNOUN\t_\t_\t_\t_\t_\t_\n")});
  EXPECT_TRUE(json["tag_scheme"].is_null());
  EXPECT_NE(json["note"].get<std::string>().find("no entity_f1: \"DET\""), std::string::npos) << json;
  EXPECT_FALSE(json["metrics"].contains("entity_f1"));
}

TEST(Input, TheClassThatF1Counts) {
  const std::string data = file("f1.tsv", "sentence\tlabel\na good film\ttrue\nit is dull\tfalse\nnot good\tfalse\n");
  model::Model model = model::load_model(world().model());
  const auto save = [&](const std::string& name, const std::vector<std::string>& labels) {
    model.config.labels = labels;
    model::save_model(model, world().folder() / name, std::filesystem::path(world().model()) / "vocab.txt",
                      checkpoint::Dtype::f32);
    return (world().folder() / name).string();
  };
  const std::string one = save("false-true", {"false", "true"});
  for (auto& [name, tensor] : model.tensors)  // the same model with its outputs exchanged
    if (name.starts_with("classifier"))
      std::rotate(tensor.data.begin(), tensor.data.begin() + static_cast<std::ptrdiff_t>(tensor.data.size() / 2),
                  tensor.data.end());
  const std::string two = save("true-false", {"true", "false"});
  const Json a = json_of({"eval", "-m", one, "-d", data}), b = json_of({"eval", "-m", two, "-d", data});
  EXPECT_EQ(a["positive_label"], "true");
  EXPECT_EQ(b["positive_label"], "true");
  EXPECT_EQ(a["metrics"], b["metrics"]) << "whatever the order of the labels";
  const Json other = json_of({"eval", "-m", one, "-d", data, "--positive-label", "false"});
  EXPECT_EQ(other["positive_label"], "false");
  EXPECT_EQ(other["metrics"]["matthews"], a["metrics"]["matthews"]);
  EXPECT_NE(other["metrics"]["f1"], a["metrics"]["f1"]);
  expect_error(world().thex({"eval", "-m", one, "-d", data, "--positive-label", "yes"}), ErrorCode::usage,
               "\"false\", \"true\"");
  expect_error(world().thex({"eval", "-m", save("twice", {"a", "a"}), "-d", data}), ErrorCode::model,
               "names the label \"a\" twice");
}

TEST(Input, PathsThatCannotBeFollowed) {
  const std::string loop = (world().folder() / "loop").string();
  std::filesystem::create_symlink("loop", loop);
  const std::string name(300, 'a');
  for (const std::string& path : {loop, name, loop + "/texts.txt"}) {
    expect_error(classify({"--input", path}), ErrorCode::file, path);
    expect_error(classify({"--input", world().data(), "--output", path}), ErrorCode::file, path);
    expect_error(world().thex({"eval", "-d", path}), ErrorCode::file, path);
  }
}

TEST(Input, CountsOutOfRange) {
  for (const char* value : {"0", "-1", "1e3", "many", "2.5", "99999999999999999999", ""}) {
    expect_error(world().thex({"eval", "-d", world().data(), "--limit", value}), ErrorCode::usage, "--limit");
    for (const char* option : {"--threads", "--max-tokens", "--timeout"})
      expect_error(world().thex({"classify", "a", option, value}), ErrorCode::usage, option);
    expect_error(world().thex({"precision", "--log-n", value}), ErrorCode::usage, "--log-n");
  }
  for (const char* value : {"1", "2"})  // no room for a token between [CLS] and [SEP]
    expect_error(world().thex({"eval", "-d", world().data(), "--max-tokens", value}), ErrorCode::usage, "--max-tokens");
  EXPECT_EQ(json_of({"eval", "-d", world().data(), "--limit", "2"})["examples"], 2);
}

// Advice names options that exist: every --option in a text of the sources is one of some program, or one of CMake's,
// ctest's or a script's that is named beside its program.
TEST(Input, EveryOptionThatIsNamedExists) {
  const std::filesystem::path sources = std::filesystem::path(THEX_SOURCE_DIR) / "thex";
  std::set<std::string> known{"--help", "--version"}, named;
  const std::regex literal("\"(?:[^\"\\\\\\n]|\\\\.)*\""), option("--[a-z][a-z0-9]*(?:-[a-z0-9]+)*");
  // A string that is nothing but an option's names declares it, in a call or in a row of a table.
  const std::regex declared(
      "\"((?:-[a-zA-Z],)?--[a-z][a-z0-9-]*(?:,[a-z-]+)*)\"|add_(?:option|flag)\\(\\s*\"([^\"]*)\"");
  const std::regex row("\"([a-z][a-z0-9_]*)\"");
  const auto collect = [&](const std::string& text, std::set<std::string>& into) {
    for (auto it = std::sregex_iterator(text.begin(), text.end(), option); it != std::sregex_iterator(); ++it)
      into.insert(it->str());
  };
  for (const auto& entry : std::filesystem::recursive_directory_iterator(sources)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".cc") && !name.ends_with(".h")) continue;
    if (name.ends_with("_test.cc") || name.find("html") != std::string::npos || name.find("chart") != std::string::npos)
      continue;
    const std::string text = read_file(entry.path(), 1 << 22);
    for (auto it = std::sregex_iterator(text.begin(), text.end(), declared); it != std::sregex_iterator(); ++it)
      collect((*it)[(*it)[1].matched ? 1 : 2], known);
    // The workflow's tables of options have names with underscores; those of fine-tuning have "plain-" before them.
    if (name.starts_with("workflow_options") || name.starts_with("plain_options"))
      for (auto it = std::sregex_iterator(text.begin(), text.end(), row); it != std::sregex_iterator(); ++it) {
        std::string dashed = (*it)[1].str();
        std::replace(dashed.begin(), dashed.end(), '_', '-');
        known.insert("--" + dashed);
        known.insert("--plain-" + dashed);
      }
    std::string strings;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.find("//") != std::string::npos && line.find_first_not_of(' ') == line.find("//")) continue;
      for (auto it = std::sregex_iterator(line.begin(), line.end(), literal); it != std::sregex_iterator(); ++it)
        strings += it->str();
    }
    collect(strings, named);
  }
  EXPECT_GT(known.size(), 50u);
  EXPECT_GT(named.size(), 50u);
  for (const std::string& name : named) EXPECT_TRUE(known.contains(name)) << name << " is named, but no program has it";
}

}  // namespace
}  // namespace thex::testing
