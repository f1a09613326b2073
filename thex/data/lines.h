// Lines of text from a stream that nobody vouches for: bounded, checked UTF-8, with their numbers for messages.
#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <string_view>

namespace thex::data {

inline constexpr std::size_t kMaxLineBytes = std::size_t{1} << 20;
inline constexpr std::uint64_t kMaxStreamBytes = std::uint64_t{1} << 30;

// Reads no further than the line that it returns, so that a pipe is answered line by line.
class LineReader {
 public:
  // `name` stands for the stream in messages ("dev.tsv", "standard input"). `stream` must outlive the reader.
  LineReader(std::istream& stream, std::string name) : stream_(stream), name_(std::move(name)) {}

  // The next line without its end ("\n" or "\r\n") and, if it is the first one, without a byte order mark. False at the
  // end. Throws Error(input) with name and number for a line that is longer than kMaxLineBytes, has a NUL byte or is
  // not UTF-8; Error(file) when reading fails or the stream exceeds kMaxStreamBytes.
  bool next(std::string& line);

  // For records that are no lines. The next byte, or kEnd.
  static constexpr int kEnd = -1;
  int get();
  // The line of the byte that get() gave last.
  std::size_t present_line() const { return number_ + (after_end_ ? 0 : 1); }
  // Takes white space, and a byte order mark before it, up to the first other byte, which it gives without taking it;
  // kEnd at the end. next() and get() go on there.
  int peek_visible();
  // Throws Error(input) when `text`, which starts at that line, is not UTF-8 or has a NUL byte.
  void check(const std::string& text, std::size_t line) const;

  const std::string& name() const { return name_; }
  std::size_t number() const { return number_; }  // of the last line, from 1
  // Whether the last line ended in "\r\n".
  bool carriage_return() const { return carriage_return_; }
  // "dev.tsv:12"
  std::string origin(std::size_t line) const { return name_ + ":" + std::to_string(line); }
  std::string origin() const { return origin(number_); }

  // Throws Error(input) "dev.tsv:12: MESSAGE".
  [[noreturn]] void fail(const std::string& message) const { fail_at(number_, message); }
  [[noreturn]] void fail_at(std::size_t line, const std::string& message) const;

 private:
  void count(std::uint64_t bytes);

  std::istream& stream_;
  std::string name_;
  std::size_t number_ = 0;
  std::uint64_t bytes_ = 0;
  bool carriage_return_ = false, after_end_ = false;  // after_end_: the last byte that get() gave ended its line
};

// Whether a text has no visible character: it is empty, or white space and what the tokenizer removes. The text is
// UTF-8.
bool is_blank(std::string_view text);

}  // namespace thex::data
