#include "thex/data/lines.h"

#include <algorithm>
#include <cstring>

#include "thex/base/error.h"
#include "thex/text/unicode.h"

namespace thex::data {

void LineReader::fail_at(std::size_t line, const std::string& message) const {
  throw Error(ErrorCode::input, origin(line) + ": " + message);
}

void LineReader::count(std::uint64_t bytes) {
  bytes_ += bytes;
  if (bytes_ > kMaxStreamBytes) {
    throw Error(ErrorCode::file, name_ + " has more than " + std::to_string(kMaxStreamBytes) + " bytes; split it");
  }
}

int LineReader::get() {
  if (after_end_) ++number_;
  const int c = stream_.get();
  if (c == std::istream::traits_type::eof()) {
    if (stream_.bad()) throw Error(ErrorCode::file, "cannot read " + name_ + " at line " + std::to_string(number_ + 1));
    after_end_ = false;
    return kEnd;
  }
  count(1);
  after_end_ = c == '\n';
  return c;
}

int LineReader::peek_visible() {
  if (bytes_ == 0 &&
      stream_.peek() == 0xef) {  // a byte order mark; nothing else that starts so can stand before white space
    char mark[3] = {};
    stream_.read(mark, 3);
    if (std::string_view(mark, 3) != "\xef\xbb\xbf") fail_at(1, "not UTF-8 at byte 0 of the line; convert the file");
    count(3);
  }
  for (int c = stream_.peek(); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = stream_.peek()) {
    stream_.get();
    count(1);
    if (c == '\n') ++number_;
  }
  return stream_.peek();
}

void LineReader::check(const std::string& text, std::size_t line) const {
  if (const auto byte = text::first_invalid_utf8(text)) {
    fail_at(line, "not UTF-8 at byte " + std::to_string(*byte) + " of the line; convert the file to UTF-8");
  }
  if (const void* nul = std::memchr(text.data(), 0, text.size())) {
    fail_at(line, "a NUL byte at byte " + std::to_string(static_cast<const char*>(nul) - text.data()) +
                      " of the line; is this UTF-8 text?");
  }
}

bool is_blank(std::string_view text) {
  const std::vector<char32_t> all = text::decode_utf8(text);
  return std::all_of(all.begin(), all.end(), [](char32_t c) { return text::is_space(c) || text::is_removed(c); });
}

static_assert(LineReader::kEnd == std::istream::traits_type::eof());

bool LineReader::next(std::string& line) {
  line.clear();
  int c = stream_.get();
  if (c == kEnd) {
    if (stream_.bad()) throw Error(ErrorCode::file, "cannot read " + name_ + " after line " + std::to_string(number_));
    return false;
  }
  ++number_;
  for (; c != kEnd && c != '\n'; c = stream_.get()) {
    if (line.size() > kMaxLineBytes) {
      fail("the line has more than " + std::to_string(kMaxLineBytes) + " bytes; is this the right file?");
    }
    line.push_back(static_cast<char>(c));
  }
  if (stream_.bad()) throw Error(ErrorCode::file, "cannot read " + name_ + " at line " + std::to_string(number_));
  count(line.size() + 1);
  carriage_return_ = line.ends_with('\r');
  if (carriage_return_) line.pop_back();
  if (line.size() > kMaxLineBytes) {
    fail("the line has " + std::to_string(line.size()) + " bytes, at most " + std::to_string(kMaxLineBytes) +
         " are allowed; is this the right file?");
  }
  if (number_ == 1 && line.starts_with("\xef\xbb\xbf")) line.erase(0, 3);  // a byte order mark, as in MRPC
  check(line, number_);
  return true;
}

}  // namespace thex::data
