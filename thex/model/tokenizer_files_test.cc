#include "thex/model/tokenizer_files.h"

#include <functional>
#include <nlohmann/json.hpp>

#include "tests/support/models.h"
#include "thex/base/file.h"

namespace thex::model {
namespace {

using nlohmann::json;
using support::error_of;

const std::vector<std::string> kTokens{"[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<ent>",
                                       "a",     "##a",       "the",   "ent",   "<",     ">",      "unused"};

// tokenizer.json as Hugging Face's libraries write it for a BERT.
json tokenizer_json() {
  json vocabulary;
  for (std::size_t i = 0; i < kTokens.size(); ++i) vocabulary[kTokens[i]] = i;
  json added = json::array();
  for (const int id : {0, 2, 3, 4, 5})
    added.push_back({{"id", id},
                     {"content", kTokens[static_cast<std::size_t>(id)]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  const auto special = [](const char* token, int type) {
    return json{{"SpecialToken", {{"id", token}, {"type_id", type}}}};
  };
  const auto sequence = [](const char* name, int type) {
    return json{{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", {{"strategy", {{"Fixed", 128}}}, {"direction", "Right"}, {"pad_id", 0}}},
          {"added_tokens", added},
          {"normalizer",
           {{"type", "BertNormalizer"},
            {"clean_text", true},
            {"handle_chinese_chars", true},
            {"strip_accents", nullptr},
            {"lowercase", true}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single", json::array({special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0)})},
            {"pair", json::array({special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0), sequence("B", 1),
                                  special("[SEP]", 1)})},
            {"special_tokens",
             {{"[CLS]", {{"id", "[CLS]"}, {"ids", {3}}, {"tokens", {"[CLS]"}}}},
              {"[SEP]", {{"id", "[SEP]"}, {"ids", {4}}, {"tokens", {"[SEP]"}}}}}}}},
          {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}},
          {"model",
           {{"type", "WordPiece"},
            {"unk_token", "[UNK]"},
            {"continuing_subword_prefix", "##"},
            {"max_input_chars_per_word", 100},
            {"vocab", vocabulary}}}};
}

json added_token(const std::string& content, const std::string& flag = "", bool value = true) {
  json token{{"content", content},   {"lstrip", false},     {"rstrip", false},
             {"single_word", false}, {"normalized", false}, {"special", true}};
  if (!flag.empty()) token[flag] = value;
  return token;
}

class TokenizerFilesTest : public ::testing::Test {
 protected:
  TokenizerFilesTest() {
    ModelConfig config = support::small_config();
    write("config.json", config_to_json(config));
    std::string lines;
    for (const std::string& token : kTokens) lines += token + "\n";
    write("vocab.txt", lines);
  }
  void write(const std::string& name, const std::string& text) {
    write_file_atomically(folder_.path() / name, std::string_view(text));
  }
  void write(const std::string& name, const json& value) { write(name, value.dump()); }
  text::Tokenizer load() { return load_tokenizer(folder_.path(), load_config(folder_.path())); }
  // The refusal of the folder, which names the file and the field.
  void refused(const std::string& file, const std::string& field) {
    const std::string message = error_of(ErrorCode::model, [&] { load(); });
    EXPECT_NE(message.find(folder_.path().string() + "/" + file), std::string::npos) << message;
    EXPECT_NE(message.find(field), std::string::npos) << message;
  }
  const support::TemporaryFolder folder_;
};

using Ids = std::vector<std::int32_t>;

// What the hub has: the files of bert-base-uncased, of DistilBERT, of models saved by several versions.
TEST_F(TokenizerFilesTest, FoldersOfTheHubKeepTheirMeaning) {
  const Ids plain = load().encode("The a [SEP] [unused0]", "<ent>").ids;
  json decoder;
  for (const int id : {0, 2, 3, 4, 5}) decoder[std::to_string(id)] = added_token(kTokens[static_cast<std::size_t>(id)]);
  const std::vector<json> configs{
      json::object(),
      {{"do_lower_case", true}, {"model_max_length", 512}},
      {{"tokenizer_class", "BertTokenizer"},
       {"name_or_path", "x"},
       {"never_split", nullptr},
       {"strip_accents", nullptr},
       {"tokenize_chinese_chars", true},
       {"do_basic_tokenize", true},
       {"cls_token", "[CLS]"},
       {"mask_token", "[MASK]"},
       {"padding_side", "right"},
       {"truncation_side", "right"},
       {"clean_up_tokenization_spaces", true}},
      {{"tokenizer_class", "DistilBertTokenizerFast"}, {"added_tokens_decoder", decoder}, {"do_lower_case", true}},
      {{"tokenizer_class", "PreTrainedTokenizerFast"},
       {"unk_token", added_token("[UNK]", "normalized")},
       {"extra_special_tokens", json::object()},
       {"additional_special_tokens", json::array()}}};
  for (const json& config : configs) {
    write("tokenizer_config.json", config);
    write("special_tokens_map.json", json{{"cls_token", "[CLS]"}, {"sep_token", added_token("[SEP]")}});
    write("added_tokens.json", json{{"[CLS]", 3}, {"[SEP]", 4}});
    write("tokenizer.json", tokenizer_json());
    EXPECT_EQ(load().encode("The a [SEP] [unused0]", "<ent>").ids, plain) << config.dump();
  }
  json older = tokenizer_json();
  older["post_processor"] = {{"type", "BertProcessing"}, {"sep", {"[SEP]", 4}}, {"cls", {"[CLS]", 3}}};
  older["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array({older["normalizer"]})}};
  older["model"].erase("type");
  write("tokenizer.json", older);
  EXPECT_EQ(load().encode("The a [SEP] [unused0]", "<ent>").ids, plain);
}

TEST_F(TokenizerFilesTest, ACasedModelIsCasedWhicheverFileSaysIt) {
  write("tokenizer_config.json", json{{"do_lower_case", false}});
  EXPECT_EQ(load().pieces("The the"), (Ids{2, 9}));
  json file = tokenizer_json();
  file["normalizer"]["lowercase"] = false;
  write("tokenizer.json", file);
  EXPECT_EQ(load().pieces("The the"), (Ids{2, 9}));
  write("tokenizer_config.json", json{{"model_max_length", 512}});
  EXPECT_EQ(load().pieces("The the"), (Ids{2, 9}));
  file["normalizer"]["strip_accents"] = false;
  write("tokenizer.json", file);
  EXPECT_EQ(load().pieces("The the"), (Ids{2, 9}));
}

// A special token of the vocabulary is one token in a text; the folder that is written says so again.
TEST_F(TokenizerFilesTest, SpecialTokensOfTheVocabularyAreFollowed) {
  EXPECT_EQ(load().pieces("a <ent> [unused0]a"), (Ids{7, 11, 10, 12, 2, 2, 2, 7}));
  const std::vector<std::pair<std::string, json>> ways{
      {"tokenizer_config.json", {{"additional_special_tokens", {"<ent>", "[unused0]"}}}},
      {"special_tokens_map.json", {{"additional_special_tokens", {added_token("<ent>"), "[unused0]"}}}},
      {"tokenizer_config.json",
       {{"added_tokens_decoder", {{"6", added_token("<ent>")}, {"1", added_token("[unused0]")}}}}}};
  for (const auto& [name, value] : ways) {
    write(name, value);
    const ModelConfig config = load_config(folder_.path());
    EXPECT_EQ(config.special_tokens, (std::set<std::string>{"<ent>", "[unused0]"}));
    EXPECT_EQ(load().pieces("a<ent> [unused0]a <ENT>").size(), 4u + 3u);
    EXPECT_EQ(load().pieces("a<ent> [unused0]a"), (Ids{7, 6, 1, 7}));
    write("added_tokens.json", json{{"<ent>", 6}, {"[unused0]", 1}});
    EXPECT_EQ(load().pieces("a<ent> [unused0]a"), (Ids{7, 6, 1, 7}));
    EXPECT_EQ(parse_config(config_to_json(config), tokenizer_config_to_json(config)).special_tokens,
              config.special_tokens);
    std::filesystem::remove(folder_.path() / name);
    std::filesystem::remove(folder_.path() / "added_tokens.json");
  }
  json file = tokenizer_json();
  file["added_tokens"].push_back(added_token("<ent>"));
  file["added_tokens"].back()["id"] = 6;
  write("tokenizer.json", file);
  EXPECT_EQ(load().pieces("a<ent> a"), (Ids{7, 6, 7}));
}

TEST_F(TokenizerFilesTest, OtherTokenizersAreRefusedByFileAndField) {
  const std::vector<std::pair<json, std::string>> configs{
      {{{"tokenizer_class", "BertJapaneseTokenizer"}, {"word_tokenizer_type", "mecab"}}, "word_tokenizer_type"},
      {{{"tokenizer_class", "BertJapaneseTokenizer"}}, "tokenizer_class"},
      {{{"tokenizer_class", "RobertaTokenizer"}}, "tokenizer_class"},
      {{{"tokenizer_class", 7}}, "tokenizer_class"},
      {{{"auto_map", {{"AutoTokenizer", "own.Tokenizer"}}}}, "auto_map"},
      {{{"do_lower_case", "yes"}}, "do_lower_case"},
      {{{"do_lower_case", true}, {"strip_accents", false}}, "strip_accents"},
      {{{"tokenize_chinese_chars", false}}, "tokenize_chinese_chars"},
      {{{"do_basic_tokenize", false}}, "do_basic_tokenize"},
      {{{"never_split", {"the"}}}, "never_split"},
      {{{"cls_token", "<s>"}}, "cls_token"},
      {{{"mask_token", added_token("[MASK]", "lstrip")}}, "mask_token"},
      {{{"truncation_side", "left"}}, "truncation_side"},
      {{{"split_special_tokens", true}}, "split_special_tokens"},
      {{{"do_subword_tokenize", false}}, "do_subword_tokenize"},
      {{{"additional_special_tokens", {"<new>"}}}, "additional_special_tokens"},
      {{{"additional_special_tokens", {added_token("<ent>", "rstrip")}}}, "additional_special_tokens"},
      {{{"added_tokens_decoder", {{"6", added_token("<ent>", "normalized")}}}}, "added_tokens_decoder"},
      {{{"added_tokens_decoder", {{"7", added_token("<ent>")}}}}, "added_tokens_decoder"},
      {{{"added_tokens_decoder", {{"14", added_token("<new>")}}}}, "added_tokens_decoder"},
      {{{"added_tokens_decoder", {{"x", added_token("<ent>")}}}}, "added_tokens_decoder"}};
  for (const auto& [config, field] : configs) {
    SCOPED_TRACE(config.dump());
    write("tokenizer_config.json", config);
    refused("tokenizer_config.json", field);
  }
  std::filesystem::remove(folder_.path() / "tokenizer_config.json");
  write("special_tokens_map.json", json{{"unk_token", "<unk>"}});
  refused("special_tokens_map.json", "unk_token");
  std::filesystem::remove(folder_.path() / "special_tokens_map.json");
  for (const json& added : {json{{"<new>", 14}}, json{{"<ent>", 6}}, json{{"[SEP]", 3}}, json{{"[SEP]", "4"}}}) {
    write("added_tokens.json", added);
    refused("added_tokens.json", added.begin().key());
  }
}

TEST_F(TokenizerFilesTest, ATokenizerJsonThatSaysSomethingElseIsRefused) {
  const std::vector<std::pair<std::function<void(json&)>, std::string>> changes{
      {[](json& j) { j["model"]["type"] = "BPE"; }, "\"model\": field \"type\""},
      {[](json& j) { j["model"]["unk_token"] = "<unk>"; }, "unk_token"},
      {[](json& j) { j["model"]["continuing_subword_prefix"] = ""; }, "continuing_subword_prefix"},
      {[](json& j) { j["model"]["max_input_chars_per_word"] = 50; }, "max_input_chars_per_word"},
      {[](json& j) { j["model"]["vocab"]["the"] = 10; }, "\"the\""},
      {[](json& j) { j["model"]["vocab"].erase("the"); }, "\"the\""},
      {[](json& j) { j["model"]["vocab"]["more"] = 14; }, "\"more\""},
      {[](json& j) { j["model"].erase("vocab"); }, "vocab"},
      {[](json& j) { j.erase("model"); }, "model"},
      {[](json& j) { j["normalizer"] = nullptr; }, "normalizer"},
      {[](json& j) { j["normalizer"]["type"] = "NFKC"; }, "\"normalizer\": field \"type\""},
      {[](json& j) { j["normalizer"]["handle_chinese_chars"] = false; }, "handle_chinese_chars"},
      {[](json& j) { j["normalizer"]["clean_text"] = false; }, "clean_text"},
      {[](json& j) { j["normalizer"]["strip_accents"] = false; }, "strip_accents"},
      {[](json& j) {
         j["normalizer"] = {{"type", "Sequence"}, {"normalizers", {j["normalizer"], {{"type", "NFC"}}}}};
       },
       "normalizer"},
      {[](json& j) { j["pre_tokenizer"]["type"] = "Whitespace"; }, "pre_tokenizer"},
      {[](json& j) { j["post_processor"] = nullptr; }, "post_processor"},
      {[](json& j) { j["post_processor"]["type"] = "RobertaProcessing"; }, "post_processor"},
      {[](json& j) { j["post_processor"]["single"].erase(0); }, "single"},
      {[](json& j) { j["post_processor"]["pair"][3]["Sequence"]["type_id"] = 0; }, "pair"},
      {[](json& j) { j["post_processor"]["special_tokens"]["[CLS]"]["ids"] = {4}; }, "[CLS]"},
      {[](json& j) { j["added_tokens"][0]["normalized"] = true; }, "added_tokens"},
      {[](json& j) { j["added_tokens"][0]["id"] = 9; }, "added_tokens"},
      {[](json& j) {
         j["added_tokens"].push_back({{"id", 14}, {"content", "<new>"}});
       },
       "<new>"},
      {[](json& j) {
         j["truncation"] = {{"direction", "Left"}, {"max_length", 128}};
       },
       "truncation"}};
  for (const auto& [change, field] : changes) {
    json file = tokenizer_json();
    change(file);
    SCOPED_TRACE(field);
    write("tokenizer.json", file);
    refused("tokenizer.json", field);
  }
  write("tokenizer.json", tokenizer_json());
  write("tokenizer_config.json", json{{"do_lower_case", false}});
  refused("tokenizer.json", "lowercase");
}

// Hugging Face's AutoTokenizer takes the class from config.json where tokenizer_config.json names none.
TEST_F(TokenizerFilesTest, AnotherClassInConfigJsonIsRefused) {
  json config = json::parse(config_to_json(support::small_config()));
  config["tokenizer_class"] = "BertTokenizer";
  write("config.json", config);
  EXPECT_NO_THROW(load());
  config["tokenizer_class"] = "BertJapaneseTokenizer";
  write("config.json", config);
  refused("config.json", "\"tokenizer_class\" is \"BertJapaneseTokenizer\"");
}

TEST_F(TokenizerFilesTest, AClassThatLeavesAllToTokenizerJsonNeedsIt) {
  write("tokenizer_config.json", json{{"tokenizer_class", "PreTrainedTokenizerFast"}});
  refused("tokenizer_config.json", "tokenizer.json, which is missing");
  write("tokenizer.json", tokenizer_json());
  EXPECT_NO_THROW(load());
}

TEST_F(TokenizerFilesTest, ALinkToNothingIsNoMissingFile) {
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json", "tokenizer.json", "vocab.txt"}) {
    const std::filesystem::path path = folder_.path() / name;
    const bool needed = std::filesystem::remove(path);
    std::filesystem::create_symlink("../blobs/0123", path);
    const std::string message = error_of(needed ? ErrorCode::file : ErrorCode::model, [&] { load(); });
    EXPECT_NE(message.find(path.string()), std::string::npos) << message;
    EXPECT_NE(message.find("a link to ../blobs/0123, which is not there"), std::string::npos) << message;
    std::filesystem::remove(path);
  }
}

TEST_F(TokenizerFilesTest, IdsBeyondTheEmbeddingsAreAnErrorOfTheModel) {
  ModelConfig config = support::small_config();
  config.vocab = static_cast<int>(kTokens.size());
  write("config.json", config_to_json(config));
  EXPECT_EQ(load().vocab_size(), config.vocab);
  --config.vocab;
  write("config.json", config_to_json(config));
  const std::string message = error_of(ErrorCode::model, [&] { load(); });
  EXPECT_NE(message.find("vocab.txt has 14 tokens, but config.json: field \"vocab_size\" is 13"), std::string::npos)
      << message;
  config.type_vocab = 1;
  EXPECT_NE(error_of(ErrorCode::model, [&] { require_pairs(config); }).find("\"type_vocab_size\" is 1"),
            std::string::npos);
  for (const int types : {0, 2}) {
    config.type_vocab = types;
    EXPECT_NO_THROW(require_pairs(config));
  }
}

TEST_F(TokenizerFilesTest, FilesThatAreOthersAreNamed) {
  for (const char* name : {"config.json", "tokenizer_config.json", "tokenizer.json", "special_tokens_map.json",
                           "added_tokens.json", "vocab.txt"}) {
    const auto path = folder_.path() / name;
    const std::string before = std::filesystem::exists(path) ? read_file(path, 1 << 20) : "{}";
    write(name, std::string("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"));
    refused(name, "git lfs pull");
    write(name, std::string("<!doctype html><html>"));
    refused(name, "web page");
    write(name, std::string());
    refused(name, "empty");
    write(name, before);
    if (before == "{}") std::filesystem::remove(path);
  }
  EXPECT_NO_THROW(load());
  std::filesystem::remove(folder_.path() / "vocab.txt");
  EXPECT_NE(error_of(ErrorCode::file, [&] { load(); }).find("vocab.txt"), std::string::npos);
}

}  // namespace
}  // namespace thex::model
