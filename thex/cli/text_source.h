// Where `thex classify` takes its texts from: an argument, a file, or a stream.
#pragma once

#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "thex/base/error.h"
#include "thex/data/layout.h"
#include "thex/model/config.h"

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
  // Counts what the texts given so far were.
  virtual data::ReadCounts counts() const = 0;
};

// How the texts of a file are found in it.
struct TextLayout {
  std::optional<data::TaskSpec> task;  // by a task's format and columns (labels are not read); nothing: one text a line
  bool skip_empty = false;
};
// As the options say; without any, as the ending of the file's name says. `-` (standard input), .txt and names that say
// no format are lines; a .txt of words with their tags is, for a model of tags, what it is to `thex eval`. Throws
// Error(usage) as data::task_of does.
TextLayout layout_of(const data::Layout& options, const std::string& input, const model::ModelConfig& model);

// Throws Error(input) for a text or second text without a visible character.
std::unique_ptr<TextSource> text_from_argument(const std::string& text, const std::optional<std::string>& pair);
// Reads no further than the text that it gives, so that a pipe is answered line by line. Throws as data::LineReader and
// data::ExampleReader do.
std::unique_ptr<TextSource> texts_from_stream(std::istream& stream, const std::string& name, const TextLayout& layout);
// The same for a file, with every text given to `check` first, so that a bad line costs no work. Throws Error(file)
// when it cannot be read, Error(input) when it has no text, and what `check` throws, with the line's number. A pipe can
// be read only once: its texts are not checked before, and `counts`, which is of all texts otherwise, stays as it is.
std::unique_ptr<TextSource> texts_from_file(const std::string& path, const TextLayout& layout,
                                            const std::function<void(const Text&)>& check, data::ReadCounts& counts);

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
