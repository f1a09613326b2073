#include "thex/model/tokenizer_settings.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/base/file_format.h"
#include "thex/model/fields.h"

namespace thex::model {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 16;
constexpr std::uint64_t kMaxSettingsBytes = 1u << 20, kMaxTokenizerBytes = 64u << 20;
constexpr std::size_t kMaxTokenBytes = 1000;

// Classes whose ids are those of the word-piece tokenizer, and from kFirstGeneral on those that any tokenizer.json may
// have.
const std::vector<std::string> kClasses{"BertTokenizer",           "BertTokenizerFast",       "DistilBertTokenizer",
                                        "DistilBertTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"};
constexpr std::size_t kFirstGeneral = 4;
constexpr std::pair<const char*, const char*> kStandardTokens[] = {{"pad_token", "[PAD]"},
                                                                   {"unk_token", "[UNK]"},
                                                                   {"cls_token", "[CLS]"},
                                                                   {"sep_token", "[SEP]"},
                                                                   {"mask_token", "[MASK]"}};
// What other tokenizers need, and BERT's does not have.
constexpr const char* kForeignFields[] = {"word_tokenizer_type", "subword_tokenizer_type",
                                          "mecab_kwargs",        "sudachi_kwargs",
                                          "jumanpp_kwargs",      "auto_map",
                                          "sp_model_kwargs",     "source_lang",
                                          "target_lang",         "do_word_tokenize",
                                          "do_subword_tokenize"};

std::string field(const std::string& file, const std::string& name) { return file + ": field \"" + name + "\""; }

[[noreturn]] void fail(const std::string& where, const std::string& problem) {
  throw Error(ErrorCode::model, where + " " + problem);
}

// A token is given as its text or as an object with flags.
const std::string& content_of(const json& entry, const std::string& where) {
  const json* content = &entry;
  if (entry.is_object()) {
    const auto it = entry.find("content");
    content = it == entry.end() ? nullptr : &*it;
  }
  if (content == nullptr || !content->is_string()) fail(where, "is " + show(entry) + ", expected a token");
  const auto& text = content->get_ref<const std::string&>();
  if (text.empty() || text.size() > kMaxTokenBytes) fail(where, "is " + show(entry) + ", expected a short token");
  return text;
}

void refuse_flag(const json& entry, const char* flag, const std::string& where) {
  if (!entry.is_object()) return;
  const auto it = entry.find(flag);
  if (it == entry.end() || it->is_null() || *it == false) return;
  fail(where, "has \"" + std::string(flag) + "\": " + show(*it) + " for " + in_quotes(content_of(entry, where)) +
                  "; supported are tokens that are found in a text as they stand (lstrip, rstrip, single_word and "
                  "normalized false)");
}

// Tokens by their role, in tokenizer_config.json and special_tokens_map.json.
void parse_roles(const Fields& fields, const std::string& file, TokenizerSettings& settings) {
  for (const auto& [name, expected] : kStandardTokens) {
    const json* const value = fields.find(name);
    if (value == nullptr) continue;
    const std::string where = field(file, name);
    if (content_of(*value, where) != expected)
      fail(where, "is " + show(*value) + ", supported: \"" + std::string(expected) + "\"");
    for (const char* flag : {"lstrip", "rstrip", "single_word"}) refuse_flag(*value, flag, where);
  }
  for (const char* const name : {"additional_special_tokens", "extra_special_tokens"}) {
    const json* const list = fields.find(name);
    if (list == nullptr) continue;
    if (!list->is_array() && !list->is_object()) fields.fail(name, "is " + show(*list) + ", expected a list of tokens");
    for (const json& entry : *list) name_added_token(settings, entry, std::nullopt, field(file, name));
  }
}

void parse_never_split(const Fields& fields, const std::string& file) {
  const json* const list = fields.find("never_split");
  if (list == nullptr) return;
  const std::string where = field(file, "never_split");
  if (!list->is_array()) fail(where, "is " + show(*list) + ", expected a list of tokens");
  for (const json& entry : *list) {
    if (!is_standard_token(content_of(entry, where)))
      fail(where, "has " + show(entry) + "; supported are [PAD], [UNK], [CLS], [SEP] and [MASK]");
  }
}

void parse_decoder(const Fields& fields, const std::string& file, TokenizerSettings& settings) {
  const json* const decoder = fields.find("added_tokens_decoder");
  if (decoder == nullptr) return;
  const std::string where = field(file, "added_tokens_decoder");
  if (!decoder->is_object()) fail(where, "is " + show(*decoder) + ", expected an object with a token for each id");
  for (const auto& [key, entry] : decoder->items()) {
    int id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc{} || end != key.data() + key.size() || id < 0)
      fail(where, "has the key " + in_quotes(key) + ", expected an id");
    name_added_token(settings, entry, id, where);
  }
}

}  // namespace

std::optional<std::string> check_tokenizer_class(const Fields& fields) {
  if (fields.find("tokenizer_class") == nullptr) return std::nullopt;
  return kClasses[fields.choice("tokenizer_class", kClasses, 0)];
}

bool is_standard_token(const std::string& token) {
  return std::any_of(std::begin(kStandardTokens), std::end(kStandardTokens),
                     [&](const auto& standard) { return token == standard.second; });
}

void name_token(TokenizerSettings& settings, const std::string& token, std::optional<int> id,
                const std::string& where) {
  const auto [it, added] = settings.tokens.try_emplace(token, TokenizerSettings::NamedToken{id, where});
  if (added || !id) return;
  auto& known = it->second;
  if (known.id && *known.id != *id) {
    fail(where, "gives the token " + in_quotes(token) + " the id " + std::to_string(*id) + ", but " + known.where +
                    " gives it " + std::to_string(*known.id));
  }
  known = {id, where};
}

void name_added_token(TokenizerSettings& settings, const json& entry, std::optional<int> id, const std::string& where) {
  for (const char* flag : {"lstrip", "rstrip", "single_word", "normalized"}) refuse_flag(entry, flag, where);
  name_token(settings, content_of(entry, where), id, where);
}

void say(std::optional<TokenizerSettings::Said<bool>>& setting, bool value, const std::string& where) {
  const auto word = [](bool x) { return std::string(x ? "true" : "false"); };
  if (setting && setting->value != value)
    fail(where, "is " + word(value) + ", but " + setting->where + " is " + word(setting->value));
  if (!setting) setting = {value, where};
}

bool lower_case_of(const TokenizerSettings& settings) {
  const bool lower_case = !settings.lower_case || settings.lower_case->value;
  if (settings.strip_accents && settings.strip_accents->value != lower_case) {
    fail(settings.strip_accents->where, std::string("is ") + (lower_case ? "false" : "true") +
                                            "; accents are stripped exactly when text is lower-cased");
  }
  return lower_case;
}

void parse_tokenizer_config(const std::string& text, TokenizerSettings& settings) {
  const std::string file = "tokenizer_config.json";
  const json object = parse_json(text, file, kMaxDepth);
  const Fields fields(object, file);
  for (const char* const name : kForeignFields) {
    if (const json* const value = fields.find(name))
      fields.fail(name, "is " + show(*value) + "; it belongs to another tokenizer than BERT's word pieces");
  }
  const std::optional<std::string> tokenizer_class = check_tokenizer_class(fields);
  settings.needs_tokenizer_json = tokenizer_class && std::find(kClasses.begin() + kFirstGeneral, kClasses.end(),
                                                               *tokenizer_class) != kClasses.end();
  if (fields.find("do_lower_case"))
    say(settings.lower_case, fields.boolean("do_lower_case", true), field(file, "do_lower_case"));
  if (fields.find("strip_accents"))
    say(settings.strip_accents, fields.boolean("strip_accents", true), field(file, "strip_accents"));
  for (const char* const name : {"tokenize_chinese_chars", "do_basic_tokenize", "clean_text"}) {
    if (!fields.boolean(name, true)) fields.fail(name, "is false; only true is supported");
  }
  if (fields.boolean("split_special_tokens", false))
    fields.fail("split_special_tokens", "is true; supported are special tokens that stand for themselves in a text");
  fields.choice("wordpieces_prefix", {"##"}, 0);
  fields.choice("truncation_side", {"right"}, 0);
  parse_never_split(fields, file);
  parse_roles(fields, file, settings);
  parse_decoder(fields, file, settings);
}

void parse_special_tokens_map(const std::string& text, TokenizerSettings& settings) {
  const std::string file = "special_tokens_map.json";
  const json object = parse_json(text, file, kMaxDepth);
  parse_roles(Fields(object, file), file, settings);
}

void parse_added_tokens(const std::string& text, TokenizerSettings& settings) {
  const std::string file = "added_tokens.json";
  const json object = parse_json(text, file, kMaxDepth);
  if (!object.is_object()) fail(file, "is not a JSON object");
  for (const auto& [token, id] : object.items()) {
    const std::string where = field(file, token.size() > kMaxTokenBytes ? token.substr(0, 60) + "..." : token);
    if (!id.is_number_unsigned() || id > 1u << 22) fail(where, "is " + show(id) + ", expected an id");
    if (!is_standard_token(token) && !settings.tokens.contains(token)) {
      fail(where,
           "is an added token, and no other file says how it is found in a text; supported are special tokens that "
           "vocab.txt has (additional_special_tokens of special_tokens_map.json)");
    }
    name_token(settings, token, id.get<int>(), where);
  }
}

TokenizerSettings read_tokenizer_settings(const std::filesystem::path& folder) {
  struct File {
    const char* name;
    std::uint64_t max_bytes;
    void (*parse)(const std::string&, TokenizerSettings&);
  };
  constexpr File kFiles[] = {{"tokenizer_config.json", kMaxSettingsBytes, parse_tokenizer_config},
                             {"special_tokens_map.json", kMaxSettingsBytes, parse_special_tokens_map},
                             {"tokenizer.json", kMaxTokenizerBytes, parse_tokenizer_json},
                             {"added_tokens.json", kMaxSettingsBytes, parse_added_tokens}};
  TokenizerSettings settings;
  for (const File& file : kFiles) {
    const std::filesystem::path path = folder / file.name;
    std::error_code error;
    if (!std::filesystem::exists(path, error)) {
      if (const auto target = broken_link(path))
        fail(path.string(), "is a link to " + target->string() + ", which is not there: copy the file itself");
      continue;
    }
    const std::string text = read_file(path, file.max_bytes);
    refuse_foreign_format(path, text);
    try {
      file.parse(text, settings);
    } catch (const Error& e) {
      throw Error(e.code(), folder.string() + "/" + e.what());
    }
  }
  if (settings.needs_tokenizer_json && settings.vocabulary.is_null()) {
    throw Error(ErrorCode::model, folder.string() +
                                      "/tokenizer_config.json: field \"tokenizer_class\" leaves the tokenizer to "
                                      "tokenizer.json, which is missing: copy it from the model's repository");
  }
  return settings;
}

}  // namespace thex::model
