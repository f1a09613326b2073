// Lines of text from a stream that nobody vouches for: bounded, checked UTF-8, with their numbers for messages.
#pragma once

#include <cstdint>
#include <istream>
#include <string>

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
  std::istream& stream_;
  std::string name_;
  std::size_t number_ = 0;
  std::uint64_t bytes_ = 0;
  bool carriage_return_ = false;
};

}  // namespace thex::data
