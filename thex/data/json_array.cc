#include "thex/data/json_array.h"

namespace thex::data {
namespace {

bool is_json_space(int c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

int JsonArrayReader::next_visible() {
  int c = lines_.get();
  while (is_json_space(c)) c = lines_.get();
  return c;
}

void JsonArrayReader::finish() {
  ended_ = true;
  if (next_visible() != LineReader::kEnd)
    lines_.fail_at(lines_.present_line(), "something follows the end of the JSON array");
}

bool JsonArrayReader::next(std::string& element, std::size_t& line) {
  if (ended_) return false;
  element.clear();
  int c = next_visible();
  if (!started_) {
    started_ = true;
    if (c == '[') c = next_visible();
    if (c == ']') {
      finish();
      return false;
    }
  }
  line = lines_.present_line();
  std::size_t depth = 0;
  bool in_string = false, escaped = false;
  for (; in_string || depth > 0 || (c != ',' && c != ']'); c = lines_.get()) {
    if (c == LineReader::kEnd) {
      lines_.fail_at(line, "the JSON array's element that starts here is not closed before the end of " +
                               lines_.name() + "; is the file complete?");
    }
    if (element.size() >= kMaxLineBytes) {
      lines_.fail_at(line, "the JSON array's element that starts here has more than " + std::to_string(kMaxLineBytes) +
                               " bytes; an element is one example");
    }
    element.push_back(static_cast<char>(c));
    if (in_string) {
      if (!escaped && c == '"') in_string = false;
      escaped = !escaped && c == '\\';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  if (c == ']') finish();
  lines_.check(element, line);
  return true;
}

}  // namespace thex::data
