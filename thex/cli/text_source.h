// Where `thex classify` takes its texts from: an argument, a file, or a stream.
#pragma once

#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "thex/base/error.h"
#include "thex/data/task.h"

namespace thex::cli {

struct Text {
  std::string text;
  std::string origin;                // "reviews.txt:12"; empty for an argument
  std::optional<std::string> pair;   // the second text, where the layout has one
  std::vector<std::string> words{};  // a sentence that is split already; `text` has them with blanks between
};

class TextSource {
 public:
  virtual ~TextSource() = default;
  virtual std::optional<Text> next() = 0;
};

// How texts lie in a file: by a task's format and columns (labels are not read); nothing: one text a line.
using TextLayout = std::optional<data::TaskSpec>;

std::unique_ptr<TextSource> text_from_argument(const std::string& text, const std::optional<std::string>& pair);
// Reads no further than the text that it gives, so that a pipe is answered line by line. Throws as data::LineReader and
// data::ExampleReader do.
std::unique_ptr<TextSource> texts_from_stream(std::istream& stream, const std::string& name, const TextLayout& layout);
// The same for a file, with every text given to `check` first, so that a bad line costs no work. Throws Error(file)
// when it cannot be read, Error(input) when it has no text, and what `check` throws, with the line's number.
std::unique_ptr<TextSource> texts_from_file(const std::string& path, const TextLayout& layout,
                                            const std::function<void(const Text&)>& check);

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
