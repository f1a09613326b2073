// BERT's uncased WordPiece tokenizer, identical in its ids to Hugging Face's BertTokenizerFast: clean-up of
// control characters and white space, spaces around CJK ideographs, lower-casing, accent stripping (NFD, category Mn),
// punctuation splitting, greedy longest-match word pieces, words of more than 100 characters become [UNK].
// "[SEP]" and the other special tokens written in a text stand for themselves, as there. Unicode tables are utf8proc's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace thex::bert {

struct Encoding {
  std::vector<std::int32_t> ids;       // [CLS] a... [SEP] (b... [SEP])
  std::vector<std::int32_t> type_ids;  // 0 for the first segment, 1 for the second
  bool truncated = false;              // tokens were removed to fit max_length
};

class Tokenizer {
 public:
  // vocab.txt: one token a line, the id is the line number. Throws Error(model) when a special token is missing.
  static Tokenizer load(const std::filesystem::path& vocab, bool lower_case = true);
  static Tokenizer from_tokens(std::vector<std::string> tokens, bool lower_case = true);

  // `max_length` counts the special tokens; pairs are truncated longest first as BertTokenizerFast does: the longer one
  // gives way until both are equally long, then both, and an odd token stays with the longer one (the second of two
  // equal). Throws Error(input) when the text is not valid UTF-8 or (with reject_empty) has no token, Error(usage) when
  // max_length leaves no room for the special tokens.
  Encoding encode(std::string_view text, std::optional<std::string_view> pair = std::nullopt, int max_length = 512,
                  bool reject_empty = false) const;
  // Word pieces without special tokens and truncation.
  std::vector<std::int32_t> pieces(std::string_view text) const;

  int vocab_size() const { return static_cast<int>(tokens_.size()); }
  const std::string& token(std::int32_t id) const { return tokens_.at(static_cast<std::size_t>(id)); }
  std::int32_t pad_id() const { return pad_; }

 private:
  // Lets a string_view be looked up without a copy.
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  void append_text(std::string_view text, std::vector<std::int32_t>& ids) const;
  void append_word(const std::string& word, const std::vector<std::size_t>& starts,
                   std::vector<std::int32_t>& ids) const;

  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> ids_;
  std::size_t longest_token_ = 0;  // bytes
  bool lower_case_ = true;
  std::int32_t unk_ = 0, cls_ = 0, sep_ = 0, pad_ = 0;
};

}  // namespace thex::bert
