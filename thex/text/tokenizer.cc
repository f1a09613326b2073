#include "thex/text/tokenizer.h"

#include <algorithm>
#include <array>

#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/base/file_format.h"
#include "thex/text/unicode.h"

namespace thex::text {
namespace {

constexpr std::uint64_t kMaxVocabBytes = 64u << 20;
constexpr std::size_t kMaxVocab = 1u << 22;
constexpr std::size_t kMaxWordChars = 100;
// Written in a text, these stand for the special tokens themselves, as in Hugging Face's tokenizers.
constexpr std::array<std::string_view, 5> kSpecialTokens{"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"};

}  // namespace

Tokenizer Tokenizer::load(const std::filesystem::path& vocab, bool lower_case,
                          const std::set<std::string>& more_specials) {
  const std::string bytes = read_file(vocab, kMaxVocabBytes);
  refuse_foreign_format(vocab, bytes);
  std::vector<std::string> tokens;
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::size_t newline = rest.find('\n');
    std::string_view line = rest.substr(0, newline);
    rest = newline == std::string_view::npos ? std::string_view{} : rest.substr(newline + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (tokens.size() == kMaxVocab) {
      throw Error(ErrorCode::model, vocab.string() + " has more than " + std::to_string(kMaxVocab) + " lines");
    }
    tokens.emplace_back(line);
  }
  try {
    return from_tokens(std::move(tokens), lower_case, more_specials);
  } catch (const Error& error) {
    throw Error(error.code(), vocab.string() + ": " + error.what());
  }
}

Tokenizer Tokenizer::from_tokens(std::vector<std::string> tokens, bool lower_case,
                                 const std::set<std::string>& more_specials) {
  Tokenizer tokenizer;
  tokenizer.lower_case_ = lower_case;
  tokenizer.tokens_ = std::move(tokens);
  tokenizer.ids_.reserve(tokenizer.tokens_.size());
  for (std::size_t i = 0; i < tokenizer.tokens_.size(); ++i) {
    const std::string& token = tokenizer.tokens_[i];
    if (const auto byte = first_invalid_utf8(token)) {
      throw Error(ErrorCode::model, "token " + std::to_string(i) + " of the vocabulary is not UTF-8");
    }
    tokenizer.ids_[token] = static_cast<std::int32_t>(i);  // the last of two equal lines counts, as in Hugging Face's
    tokenizer.longest_token_ = std::max(tokenizer.longest_token_, token.size());
  }
  const auto special = [&](std::string_view token) {
    const auto it = tokenizer.ids_.find(token);
    if (it == tokenizer.ids_.end()) {
      throw Error(ErrorCode::model, "the vocabulary has no " + std::string(token) + " among its " +
                                        std::to_string(tokenizer.tokens_.size()) + " tokens");
    }
    return it->second;
  };
  tokenizer.unk_ = special("[UNK]");
  tokenizer.cls_ = special("[CLS]");
  tokenizer.sep_ = special("[SEP]");
  special("[PAD]");  // padding has no embeddings here, but a vocabulary without it is not BERT's
  std::set<std::string> specials = more_specials;
  specials.insert(kSpecialTokens.begin(), kSpecialTokens.end());
  for (const std::string& token : specials) {
    if (token.empty() || !tokenizer.find(token)) continue;
    tokenizer.specials_.insert(token);
    tokenizer.special_prefixes_.add(token);
    if (tokenizer.special_beginnings_.find(token[0]) == std::string::npos) tokenizer.special_beginnings_ += token[0];
  }
  return tokenizer;
}

// Greedy longest-match-first over one word, given as UTF-8 and the byte offset of each of its characters.
void Tokenizer::append_word(const std::string& word, const std::vector<std::size_t>& starts,
                            std::vector<std::int32_t>& ids) const {
  if (starts.size() > kMaxWordChars) {
    ids.push_back(unk_);
    return;
  }
  const std::size_t before = ids.size();
  const auto byte_at = [&](std::size_t character) {
    return character == starts.size() ? word.size() : starts[character];
  };
  std::string piece;
  for (std::size_t start = 0; start < starts.size();) {
    std::size_t end = starts.size();
    std::int32_t id = -1;
    for (; end > start; --end) {
      if (byte_at(end) - byte_at(start) > longest_token_) continue;
      piece.assign(start > 0 ? "##" : "");
      piece.append(word, byte_at(start), byte_at(end) - byte_at(start));
      if (const auto it = ids_.find(piece); it != ids_.end()) {
        id = it->second;
        break;
      }
    }
    if (id < 0) {  // one unknown piece makes the whole word unknown
      ids.resize(before);
      ids.push_back(unk_);
      return;
    }
    ids.push_back(id);
    start = end;
  }
}

// Text without special tokens: clean-up, then words, then word pieces.
void Tokenizer::append_text(std::string_view text, std::vector<std::int32_t>& ids) const {
  std::vector<char32_t> clean;
  clean.reserve(text.size());
  for (const char32_t c : decode_utf8(text)) {
    if (is_removed(c)) continue;
    if (is_cjk(c)) {
      clean.insert(clean.end(), {U' ', c, U' '});
    } else {
      clean.push_back(is_space(c) ? U' ' : c);
    }
  }
  if (lower_case_) {
    clean = decompose(clean);
    std::erase_if(clean, is_nonspacing_mark);
    std::transform(clean.begin(), clean.end(), clean.begin(), to_lower);
  }
  std::string word;
  std::vector<std::size_t> starts;
  const auto flush = [&] {
    if (!starts.empty()) append_word(word, starts, ids);
    word.clear();
    starts.clear();
  };
  for (const char32_t c : clean) {
    const bool alone = is_punctuation(c);
    if (alone || is_space(c)) flush();
    if (!alone && is_space(c)) continue;
    starts.push_back(word.size());
    append_utf8(word, c);
    if (alone) flush();
  }
  flush();
}

std::optional<std::int32_t> Tokenizer::find(std::string_view token) const {
  const auto it = ids_.find(token);
  return it == ids_.end() ? std::nullopt : std::optional(it->second);
}

std::string Tokenizer::settings() const {
  std::string text = lower_case_ ? "WordPiece uncased" : "WordPiece cased";
  for (const std::string& token : specials_) text += " " + std::to_string(token.size()) + ":" + token;
  return text;
}

std::string_view Tokenizer::special_at(std::string_view text) const {
  return text.substr(0, special_prefixes_.longest_at(text));
}

std::vector<std::int32_t> Tokenizer::pieces(std::string_view text) const {
  if (const auto byte = first_invalid_utf8(text)) {
    throw Error(ErrorCode::input, "the text is not UTF-8 at byte " + std::to_string(*byte) + "; convert it first");
  }
  std::vector<std::int32_t> ids;
  std::size_t begin = 0;
  const auto next = [&](std::size_t from) { return text.find_first_of(special_beginnings_, from); };
  for (std::size_t at = next(0); at != std::string_view::npos; at = next(at)) {
    const std::string_view special = special_at(text.substr(at));
    if (special.empty()) {
      ++at;
      continue;
    }
    append_text(text.substr(begin, at - begin), ids);
    ids.push_back(ids_.find(special)->second);
    at += special.size();
    begin = at;
  }
  append_text(text.substr(begin), ids);
  return ids;
}

Encoding Tokenizer::encode(std::string_view text, std::optional<std::string_view> pair, int max_length) const {
  const int specials = pair ? 3 : 2;
  if (max_length < specials) {
    throw Error(ErrorCode::usage, "max_length is " + std::to_string(max_length) + ", the special tokens alone need " +
                                      std::to_string(specials));
  }
  std::vector<std::int32_t> first = pieces(text), second;
  if (pair) second = pieces(*pair);
  Encoding encoding;
  const auto room = static_cast<std::size_t>(max_length - specials);
  if (first.size() + second.size() > room) {
    encoding.truncated = true;
    const bool first_is_longer = first.size() > second.size();
    auto& shorter = first_is_longer ? second : first;
    auto& longer = first_is_longer ? first : second;
    // The longer one gives way until both are equal; then both do, and the longer one keeps an odd token.
    const std::size_t keep_shorter = std::min(shorter.size(), room / 2);
    shorter.resize(keep_shorter);
    longer.resize(room - keep_shorter);
  }
  encoding.ids.reserve(first.size() + second.size() + 3);
  const auto append = [&](const std::vector<std::int32_t>& ids, std::int32_t type) {
    encoding.ids.insert(encoding.ids.end(), ids.begin(), ids.end());
    encoding.ids.push_back(sep_);
    encoding.type_ids.resize(encoding.ids.size(), type);
  };
  encoding.ids.push_back(cls_);
  append(first, 0);
  if (pair) append(second, 1);
  return encoding;
}

Encoding Tokenizer::encode_words(std::span<const std::string> words, int max_length) const {
  if (max_length < 2) {
    throw Error(ErrorCode::usage, "max_length is " + std::to_string(max_length) + ", the special tokens alone need 2");
  }
  const auto room = static_cast<std::size_t>(max_length - 2);
  Encoding encoding{.ids = {cls_}, .words = {-1}};
  for (std::size_t w = 0; w < words.size(); ++w) {
    if (const auto byte = first_invalid_utf8(words[w])) {
      throw Error(ErrorCode::input, "word " + std::to_string(w + 1) + " is not UTF-8 at byte " + std::to_string(*byte) +
                                        "; convert it first");
    }
    std::vector<std::int32_t> ids = pieces(words[w]);
    const std::size_t left = room - (encoding.ids.size() - 1);
    if (ids.size() > left) {
      encoding.truncated = true;
      ids.resize(left);
    }
    encoding.ids.insert(encoding.ids.end(), ids.begin(), ids.end());
    encoding.words.resize(encoding.ids.size(), static_cast<std::int32_t>(w));
  }
  encoding.ids.push_back(sep_);
  encoding.words.push_back(-1);
  encoding.type_ids.assign(encoding.ids.size(), 0);
  return encoding;
}

std::vector<TextSpan> Tokenizer::split_words(std::string_view text) const {
  if (const auto byte = first_invalid_utf8(text)) {
    throw Error(ErrorCode::input, "the text is not UTF-8 at byte " + std::to_string(*byte) + "; convert it first");
  }
  std::vector<TextSpan> words;
  bool open = false;  // the last word may go on
  std::size_t at = 0, after_special = 0;
  std::string encoded;
  for (const char32_t c : decode_utf8(text)) {
    encoded.clear();
    append_utf8(encoded, c);
    const std::size_t begin = at, end = at += encoded.size();
    if (begin < after_special) continue;
    const bool may_be_special = special_beginnings_.find(text[begin]) != std::string::npos;
    if (const std::string_view special = may_be_special ? special_at(text.substr(begin)) : std::string_view{};
        !special.empty()) {
      after_special = begin + special.size();
      words.push_back({begin, after_special});
      open = false;
    } else if (is_removed(c)) {
      continue;
    } else if (is_punctuation(c) || is_cjk(c)) {
      words.push_back({begin, end});
      open = false;
    } else if (is_space(c)) {
      open = false;
    } else if (open) {
      words.back().end = end;
    } else {
      words.push_back({begin, end});
      open = true;
    }
  }
  return words;
}

std::vector<std::optional<std::size_t>> Encoding::first_tokens(std::size_t count) const {
  std::vector<std::optional<std::size_t>> first(count);
  for (std::size_t t = words.size(); t-- > 0;) {
    if (words[t] >= 0 && static_cast<std::size_t>(words[t]) < count) first[static_cast<std::size_t>(words[t])] = t;
  }
  return first;
}

}  // namespace thex::text
