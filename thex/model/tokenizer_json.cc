// tokenizer.json, the whole tokenizer as Hugging Face's "tokenizers" library describes it.
#include <string>
#include <utility>
#include <vector>

#include "thex/base/error.h"
#include "thex/model/fields.h"
#include "thex/model/tokenizer_settings.h"

namespace thex::model {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 16;
const std::string kFile = "tokenizer.json";

std::string section(const std::string& name) { return kFile + ", \"" + name + "\""; }

// A section of the file; of a sequence of one step that step.
const json& step_of(const Fields& file, const std::string& name, const char* steps) {
  const json* value = file.find(name);
  if (value == nullptr) file.fail(name, "is missing");
  if (value->is_object() && value->contains("type") && (*value)["type"] == "Sequence") {
    const auto list = value->find(steps);
    if (list != value->end() && list->is_array() && list->size() == 1) return list->front();
    file.fail(name, "is " + show(*value) + "; supported is a single step");
  }
  return *value;
}

void parse_normalizer(const Fields& file, TokenizerSettings& settings) {
  const Fields fields(step_of(file, "normalizer", "normalizers"), section("normalizer"));
  fields.choice("type", {"BertNormalizer"}, 0);
  for (const char* const name : {"clean_text", "handle_chinese_chars"}) {
    if (!fields.boolean(name, true)) fields.fail(name, "is false; only true is supported");
  }
  const bool lower_case = fields.boolean("lowercase", true);
  say(settings.lower_case, lower_case, section("normalizer") + ": field \"lowercase\"");
  if (fields.find("strip_accents"))
    say(settings.strip_accents, fields.boolean("strip_accents", lower_case),
        section("normalizer") + ": field \"strip_accents\"");
}

// What "[CLS] A [SEP]" and "[CLS] A [SEP] B [SEP]" look like as templates.
json template_of(bool pair) {
  const auto special = [](const char* token, int type) {
    return json{{"SpecialToken", {{"id", token}, {"type_id", type}}}};
  };
  const auto sequence = [](const char* name, int type) {
    return json{{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  json result = json::array({special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0)});
  if (pair) {
    result.push_back(sequence("B", 1));
    result.push_back(special("[SEP]", 1));
  }
  return result;
}

// The ids of [CLS] and [SEP], which may be others than those of the vocabulary.
void parse_template_tokens(const Fields& fields, TokenizerSettings& settings) {
  const std::string where = section("post_processor") + ": field \"special_tokens\"";
  const json* const tokens = fields.find("special_tokens");
  if (tokens == nullptr || !tokens->is_object()) fields.fail("special_tokens", "is missing or not an object");
  for (const char* const name : {"[CLS]", "[SEP]"}) {
    const auto token = tokens->find(name);
    const auto ids = token == tokens->end() || !token->is_object() ? tokens->end() : token->find("ids");
    if (token == tokens->end() || !token->is_object() || ids == token->end() || !ids->is_array() || ids->size() != 1 ||
        !ids->front().is_number_unsigned() || ids->front() > 1u << 22)
      fields.fail("special_tokens", "has not one id for " + std::string(name));
    name_token(settings, name, ids->front().get<int>(), where);
  }
}

void parse_post_processor(const Fields& file, TokenizerSettings& settings) {
  const Fields fields(step_of(file, "post_processor", "processors"), section("post_processor"));
  if (fields.choice("type", {"TemplateProcessing", "BertProcessing"}, 0) == 0) {
    for (const auto& [name, pair] : {std::pair("single", false), std::pair("pair", true)}) {
      const json* const value = fields.find(name);
      if (value == nullptr || *value != template_of(pair)) {
        fields.fail(name, "is " + (value ? show(*value) : "missing") + ", supported: " +
                              (pair ? "[CLS] A [SEP] B [SEP] of types 0 0 0 1 1" : "[CLS] A [SEP] of type 0"));
      }
    }
    return parse_template_tokens(fields, settings);
  }
  for (const auto& [name, token] : {std::pair("cls", "[CLS]"), std::pair("sep", "[SEP]")}) {
    const json* const value = fields.find(name);
    if (value == nullptr || !value->is_array() || value->size() != 2 || (*value)[0] != token ||
        !(*value)[1].is_number_unsigned() || (*value)[1] > 1u << 22)
      fields.fail(name, "is " + (value ? show(*value) : "missing") + ", expected " + token + " and its id");
    name_token(settings, token, (*value)[1].get<int>(), section("post_processor") + ": field \"" + name + "\"");
  }
}

void parse_model(json& object, const Fields& file, TokenizerSettings& settings) {
  const json* const model = file.find("model");
  if (model == nullptr) file.fail("model", "is missing");
  const Fields fields(*model, section("model"));
  fields.choice("type", {"WordPiece"}, 0);
  fields.choice("unk_token", {"[UNK]"}, 0);
  fields.choice("continuing_subword_prefix", {"##"}, 0);
  fields.integer("max_input_chars_per_word", 100, 100, 100);
  const json* const vocabulary = fields.find("vocab");
  if (vocabulary == nullptr || !vocabulary->is_object())
    fields.fail("vocab", "is missing or not an object with an id for each token");
  settings.vocabulary = std::move(object["model"]["vocab"]);
}

void parse_added(const Fields& file, TokenizerSettings& settings) {
  const json* const list = file.find("added_tokens");
  if (list == nullptr) return;
  const std::string where = kFile + ": field \"added_tokens\"";
  if (!list->is_array()) file.fail("added_tokens", "is not a list");
  for (const json& entry : *list) {
    const auto id = entry.is_object() ? entry.find("id") : entry.end();
    if (!entry.is_object() || id == entry.end() || !id->is_number_unsigned() || *id > 1u << 22)
      file.fail("added_tokens", "has " + show(entry) + ", expected a token with its id");
    name_added_token(settings, entry, id->get<int>(), where);
  }
}

}  // namespace

void parse_tokenizer_json(const std::string& text, TokenizerSettings& settings) {
  json object = parse_json(text, kFile, kMaxDepth);
  const Fields file(object, kFile);
  if (const json* const truncation = file.find("truncation"))
    Fields(*truncation, section("truncation")).choice("direction", {"Right"}, 0);
  parse_normalizer(file, settings);
  Fields(step_of(file, "pre_tokenizer", "pretokenizers"), section("pre_tokenizer"))
      .choice("type", {"BertPreTokenizer"}, 0);
  parse_post_processor(file, settings);
  parse_added(file, settings);
  parse_model(object, file, settings);
}

}  // namespace thex::model
