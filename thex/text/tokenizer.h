// BERT's uncased WordPiece tokenizer, identical in its ids to Hugging Face's BertTokenizerFast: clean-up of
// control characters and white space, spaces around CJK ideographs, lower-casing, accent stripping (NFD, category Mn),
// punctuation splitting, greedy longest-match word pieces, words of more than 100 characters become [UNK].
// "[SEP]" and the other special tokens written in a text stand for themselves, as there, the longest first. Unicode
// tables are utf8proc's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "thex/text/prefix_tree.h"

namespace thex::text {

struct Encoding {
  std::vector<std::int32_t> ids;       // [CLS] a... [SEP] (b... [SEP])
  std::vector<std::int32_t> type_ids;  // 0 for the first segment, 1 for the second
  bool truncated = false;              // tokens were removed to fit max_length
  // encode_words: for each token the index of its word, -1 for special tokens. Empty otherwise.
  std::vector<std::int32_t> words;

  // For each of `count` words the index of its first token; nothing for a word without one: it was cut off, or all its
  // characters are removed by the clean-up.
  std::vector<std::optional<std::size_t>> first_tokens(std::size_t count) const;
};

// Bytes [begin, end) of a text.
struct TextSpan {
  std::size_t begin = 0, end = 0;
  bool operator==(const TextSpan&) const = default;
};

class Tokenizer {
 public:
  // vocab.txt: one token a line, the id is the line number. `more_specials`: tokens that stand for themselves in a
  // text, beside the usual ones; those that the vocabulary lacks have no effect. Throws Error(model) when a special
  // token is missing.
  static Tokenizer load(const std::filesystem::path& vocab, bool lower_case = true,
                        const std::set<std::string>& more_specials = {});
  static Tokenizer from_tokens(std::vector<std::string> tokens, bool lower_case = true,
                               const std::set<std::string>& more_specials = {});

  // `max_length` counts the special tokens; pairs are truncated longest first as BertTokenizerFast does: the longer one
  // gives way until both are equally long, then both, and an odd token stays with the longer one (the second of two
  // equal). A text without a token is one without words. Throws Error(input) when the text is not valid UTF-8,
  // Error(usage) when max_length leaves no room for the special tokens.
  Encoding encode(std::string_view text, std::optional<std::string_view> pair = std::nullopt,
                  int max_length = 512) const;
  // A sentence whose words are given, for token classification; as BertTokenizerFast with is_split_into_words=True:
  // [CLS], the pieces of each word by itself, [SEP]. A word may have several pieces, or none. Truncation takes from the
  // end. Throws Error(input) naming the word that is not UTF-8, Error(usage) as encode does.
  Encoding encode_words(std::span<const std::string> words, int max_length = 512) const;
  // The words of a plain text as BERT's basic tokenizer splits it: at white space, around each punctuation character
  // and each ideograph. The pieces of the words one after the other are those of the text. Removed characters inside a
  // word lie in its span, others in none; special tokens written in the text are words. Throws Error(input) when the
  // text is not UTF-8.
  std::vector<TextSpan> split_words(std::string_view text) const;
  // Word pieces without special tokens and truncation.
  std::vector<std::int32_t> pieces(std::string_view text) const;

  // Every setting but the vocabulary that changes ids, as one text: for digests.
  std::string settings() const;

  int vocab_size() const { return static_cast<int>(tokens_.size()); }
  const std::string& token(std::int32_t id) const { return tokens_.at(static_cast<std::size_t>(id)); }
  // The id of a token of the vocabulary.
  std::optional<std::int32_t> find(std::string_view token) const;

 private:
  // Lets a string_view be looked up without a copy.
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  // The special token of the vocabulary that `text` starts with, or nothing.
  std::string_view special_at(std::string_view text) const;
  void append_text(std::string_view text, std::vector<std::int32_t>& ids) const;
  void append_word(const std::string& word, const std::vector<std::size_t>& starts,
                   std::vector<std::int32_t>& ids) const;

  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> ids_;
  std::size_t longest_token_ = 0;  // bytes
  std::set<std::string, std::less<>> specials_;
  PrefixTree special_prefixes_;     // of the same
  std::string special_beginnings_;  // their first bytes
  bool lower_case_ = true;
  std::int32_t unk_ = 0, cls_ = 0, sep_ = 0;
};

}  // namespace thex::text
