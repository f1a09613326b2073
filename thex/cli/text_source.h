// Where `thex classify` takes its texts from: an argument, a file, or a stream.
#pragma once

#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <string>

#include "thex/base/error.h"

namespace thex::cli {

struct Text {
  std::string text;
  std::string origin;  // "reviews.txt:12"; empty for an argument
};

class TextSource {
 public:
  virtual ~TextSource() = default;
  virtual std::optional<Text> next() = 0;
};

std::unique_ptr<TextSource> text_from_argument(const std::string& text);
// One text a line, or one column of tab-separated lines under a header line. Throws Error(input) naming the line for a
// missing column, or a line of more than 1 MiB.
std::unique_ptr<TextSource> texts_from_stream(std::istream& stream, const std::string& name,
                                              const std::string& text_column);
// The same for a file, with every text given to `check` first, so that a bad line costs no work. Throws Error(file)
// when it cannot be read, Error(input) when it has no text, and what `check` throws, with the line's number.
std::unique_ptr<TextSource> texts_from_file(const std::string& path, const std::string& text_column,
                                            const std::function<void(const std::string&)>& check);

// body(), with the origin of the text before the message of an error.
template <typename Body>
auto at(const Text& text, const Body& body) {
  try {
    return body();
  } catch (const Error& e) {
    throw text.origin.empty() ? e : Error(e.code(), text.origin + ": " + e.what());
  }
}

}  // namespace thex::cli
