// The tokenizer of a model folder: vocab.txt, and what other files of the folder say about it.
#pragma once

#include <filesystem>

#include "thex/model/config.h"
#include "thex/text/tokenizer.h"

namespace thex::model {

inline constexpr const char* kVocabularyFile = "vocab.txt";

// True when the folder has a vocabulary; a server's bundle needs none.
bool has_vocabulary(const std::filesystem::path& folder);

// `config`: that of the folder, as load_config or load_model reads it. Throws Error(model) when the vocabulary is
// damaged, has more lines than `config` has embeddings, or is not what tokenizer.json, tokenizer_config.json,
// special_tokens_map.json or added_tokens.json say; Error(file) when it is missing or cannot be read.
text::Tokenizer load_tokenizer(const std::filesystem::path& folder, const ModelConfig& config);

}  // namespace thex::model
