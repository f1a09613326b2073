// The elements of a JSON array, one after the other, from a file that may be larger than memory.
#pragma once

#include <string>

#include "thex/data/lines.h"

namespace thex::data {

class JsonArrayReader {
 public:
  // `lines` stands before the bracket that opens the array, and must outlive the reader.
  explicit JsonArrayReader(LineReader& lines) : lines_(lines) {}

  // The text of the next element, which may go over several lines, and the line where it starts; whether it is valid
  // JSON is the caller's to check. False after the array's end. Takes a time linear in the bytes. Throws Error(input)
  // with name and line for an element of more than kMaxLineBytes, that is not UTF-8 or has a NUL byte, for elements
  // without a comma between them, an array that does not end, and anything after it; Error(file) as LineReader does.
  bool next(std::string& element, std::size_t& line);

 private:
  int next_visible();
  void finish();

  LineReader& lines_;
  bool started_ = false, ended_ = false;
};

}  // namespace thex::data
