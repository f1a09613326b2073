#include "thex/model/tokenizer_files.h"

#include <string>

#include "thex/base/error.h"

namespace thex::model {

bool has_vocabulary(const std::filesystem::path& folder) {
  std::error_code error;
  return std::filesystem::exists(folder / kVocabularyFile, error);
}

text::Tokenizer load_tokenizer(const std::filesystem::path& folder, const ModelConfig& config) {
  const std::filesystem::path vocabulary = folder / kVocabularyFile;
  text::Tokenizer tokenizer = text::Tokenizer::load(vocabulary, config.do_lower_case);
  if (tokenizer.vocab_size() > config.vocab) {
    throw Error(ErrorCode::model, vocabulary.string() + " has " + std::to_string(tokenizer.vocab_size()) +
                                      " tokens, but config.json: field \"vocab_size\" is " +
                                      std::to_string(config.vocab) +
                                      ": the last ones have no embedding; take the vocabulary that the model was "
                                      "trained with");
  }
  return tokenizer;
}

}  // namespace thex::model
