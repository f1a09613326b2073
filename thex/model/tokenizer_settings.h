// What the files of a model folder say about its tokenizer, beside the vocabulary: tokenizer_config.json,
// special_tokens_map.json, added_tokens.json and tokenizer.json, as Hugging Face's libraries write them.
//
// Supported is BERT's word-piece tokenizer: lower-cased with accents stripped, or neither; spaces around ideographs;
// "[CLS] A [SEP]" and "[CLS] A [SEP] B [SEP]"; and tokens that stand for themselves where they occur in a text, as long
// as the vocabulary has them. Whatever says anything else, or contradicts another file, is refused by file and field,
// for its ids would be other ones. Fields that have no influence on ids are ignored. Internal to this folder.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "thex/base/json.h"

namespace thex::model {

struct TokenizerSettings {
  template <typename T>
  struct Said {
    T value;
    std::string where;  // "tokenizer.json: field \"lowercase\""
  };
  struct NamedToken {
    std::optional<int> id;
    std::string where;
  };
  std::optional<Said<bool>> lower_case, strip_accents;
  // Tokens that stand for themselves in a text, [CLS] and its kind among them where a file names them.
  std::map<std::string, NamedToken> tokens;
  // Ids by token from tokenizer.json; null when there is no such file.
  nlohmann::json vocabulary;
  // tokenizer_config.json names a class that says nothing of the ids, so that tokenizer.json has to.
  bool needs_tokenizer_json = false;
};

class Fields;

// Refuses a field "tokenizer_class" that names another tokenizer; config.json may have one too. The class that stands
// there, or nothing. Throws Error(model).
std::optional<std::string> check_tokenizer_class(const Fields& fields);

// Each adds what one file's text says. Throw Error(model).
void parse_tokenizer_config(const std::string& text, TokenizerSettings& settings);
void parse_special_tokens_map(const std::string& text, TokenizerSettings& settings);
void parse_tokenizer_json(const std::string& text, TokenizerSettings& settings);
// The last one: it names tokens without saying how they are matched, which another file must do.
void parse_added_tokens(const std::string& text, TokenizerSettings& settings);

// Whether text is lower-cased: true where no file says it. Throws Error(model) when accents are to be treated
// otherwise.
bool lower_case_of(const TokenizerSettings& settings);

// All files of `folder` that are there. Throws Error(model), Error(file).
TokenizerSettings read_tokenizer_settings(const std::filesystem::path& folder);

// What they share. True for [PAD], [UNK], [CLS], [SEP], [MASK].
bool is_standard_token(const std::string& token);
// Adds a token; throws Error(model) when another file gives it another id.
void name_token(TokenizerSettings& settings, const std::string& token, std::optional<int> id, const std::string& where);
// The same for an entry of a list of added tokens with all its flags.
void name_added_token(TokenizerSettings& settings, const nlohmann::json& entry, std::optional<int> id,
                      const std::string& where);
// Adds what a file says; throws Error(model) when another file says the opposite.
void say(std::optional<TokenizerSettings::Said<bool>>& setting, bool value, const std::string& where);

}  // namespace thex::model
