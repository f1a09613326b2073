#include "thex/model/tokenizer_files.h"

#include <string>

#include "thex/base/error.h"
#include "thex/base/file_format.h"
#include "thex/base/json.h"
#include "thex/model/tokenizer_settings.h"

namespace thex::model {
namespace {

[[noreturn]] void fail(const std::filesystem::path& folder, const std::string& message) {
  throw Error(ErrorCode::model, folder.string() + "/" + message);
}

// The ids that other files give to tokens are those of the vocabulary.
void check_named_tokens(const std::filesystem::path& folder, const TokenizerSettings& settings,
                        const text::Tokenizer& tokenizer) {
  for (const auto& [token, named] : settings.tokens) {
    const auto id = tokenizer.find(token);
    if (!id && (named.id || !is_standard_token(token))) {
      fail(folder, named.where + " adds the token " + in_quotes(token) + ", which " + kVocabularyFile +
                       " does not have; supported are added tokens that stand in it" +
                       (named.id ? " in line " + std::to_string(*named.id + 1) : ""));
    }
    if (id && named.id && *named.id != *id) {
      fail(folder, named.where + " gives the token " + in_quotes(token) + " the id " + std::to_string(*named.id) +
                       ", but " + kVocabularyFile + " has it in line " + std::to_string(*id + 1) + ", id " +
                       std::to_string(*id));
    }
  }
}

// tokenizer.json and vocab.txt are the same vocabulary.
void check_vocabulary(const std::filesystem::path& folder, const nlohmann::json& vocabulary,
                      const text::Tokenizer& tokenizer) {
  const std::string where = "tokenizer.json, \"model\": field \"vocab\"";
  for (const auto& [token, id] : vocabulary.items()) {
    const auto found = tokenizer.find(token);
    if (found && id == *found) continue;
    fail(folder, where + " gives the token " + in_quotes(token) + " the id " + in_quotes(id.dump()) + ", " +
                     kVocabularyFile +
                     (found ? " the id " + std::to_string(*found) : std::string(" does not have it")) +
                     ": one of the two files is not the model's");
  }
  for (std::int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string& token = tokenizer.token(id);
    if (token.empty() || vocabulary.contains(token)) continue;
    fail(folder, where + " does not have the token " + in_quotes(token) + " of " + kVocabularyFile + ", line " +
                     std::to_string(id + 1) + ": one of the two files is not the model's");
  }
}

}  // namespace

bool has_vocabulary(const std::filesystem::path& folder) {
  std::error_code error;
  return std::filesystem::exists(folder / kVocabularyFile, error);
}

text::Tokenizer load_tokenizer(const std::filesystem::path& folder, const ModelConfig& config) {
  const std::filesystem::path vocabulary = folder / kVocabularyFile;
  if (!has_vocabulary(folder)) {
    std::error_code error;
    const bool other = std::filesystem::exists(folder / "tokenizer.json", error);
    const auto target = broken_link(vocabulary);
    throw Error(ErrorCode::file,
                "cannot open " + vocabulary.string() + ": it is " +
                    (target ? "a link to " + target->string() + ", which is not there" : "missing") +
                    (other ? "; write the tokens of tokenizer.json's \"vocab\" to it, by id, one a line" : ""));
  }
  text::Tokenizer tokenizer = text::Tokenizer::load(vocabulary, config.do_lower_case, config.special_tokens);
  if (tokenizer.vocab_size() > config.vocab) {
    throw Error(ErrorCode::model, vocabulary.string() + " has " + std::to_string(tokenizer.vocab_size()) +
                                      " tokens, but config.json: field \"vocab_size\" is " +
                                      std::to_string(config.vocab) +
                                      ": the last ones have no embedding; take the vocabulary that the model was "
                                      "trained with");
  }
  const TokenizerSettings settings = read_tokenizer_settings(folder);
  check_named_tokens(folder, settings, tokenizer);
  if (!settings.vocabulary.is_null()) check_vocabulary(folder, settings.vocabulary, tokenizer);
  return tokenizer;
}

}  // namespace thex::model
