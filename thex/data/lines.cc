#include "thex/data/lines.h"

#include <cstring>

#include "thex/base/error.h"
#include "thex/text/unicode.h"

namespace thex::data {

void LineReader::fail_at(std::size_t line, const std::string& message) const {
  throw Error(ErrorCode::input, origin(line) + ": " + message);
}

bool LineReader::next(std::string& line) {
  constexpr int kEnd = std::istream::traits_type::eof();
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
  bytes_ += line.size() + 1;
  if (bytes_ > kMaxStreamBytes) {
    throw Error(ErrorCode::file, name_ + " has more than " + std::to_string(kMaxStreamBytes) + " bytes; split it");
  }
  carriage_return_ = line.ends_with('\r');
  if (carriage_return_) line.pop_back();
  if (line.size() > kMaxLineBytes) {
    fail("the line has " + std::to_string(line.size()) + " bytes, at most " + std::to_string(kMaxLineBytes) +
         " are allowed; is this the right file?");
  }
  if (number_ == 1 && line.starts_with("\xef\xbb\xbf")) line.erase(0, 3);  // a byte order mark, as in MRPC
  if (const auto byte = text::first_invalid_utf8(line)) {
    fail("not UTF-8 at byte " + std::to_string(*byte) + " of the line; convert the file to UTF-8");
  }
  if (const void* nul = std::memchr(line.data(), 0, line.size())) {
    fail("a NUL byte at byte " + std::to_string(static_cast<const char*>(nul) - line.data()) +
         " of the line; is this UTF-8 text?");
  }
  return true;
}

}  // namespace thex::data
