// Any bytes as a labelled data set or as a file of texts to classify: an Error(input), or examples that keep to the
// documented ranges.
#include <sstream>

#include "fuzz/scratch_folder.h"
#include "thex/base/error.h"
#include "thex/bert/dataset.h"
#include "thex/bert/unicode.h"
#include "thex/cli/text_source.h"

namespace {

template <typename F>
void allow_input_errors(F&& f) {
  try {
    f();
  } catch (const thex::Error& error) {
    if (error.code() != thex::ErrorCode::input) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const thex::fuzz::ScratchFolder folder;
  if (size == 0) return 0;
  const bool pair = data[0] & 1, header = data[0] & 2;
  std::string text = header ? (pair ? "sentence\tlabel\tsecond\n" : "sentence\tlabel\n") : "";
  text += thex::fuzz::text_of(data + 1, size - 1);
  const auto path = folder.write("data.tsv", text);
  allow_input_errors([&] {
    const auto examples = thex::bert::read_tsv(path, "sentence", "label", 3, pair ? "second" : "");
    if (examples.empty()) std::abort();
    for (const auto& e : examples) {
      if (e.label < 0 || e.label > 2 || e.pair.has_value() != pair || e.text.find('\t') != std::string::npos ||
          e.text.find('\n') != std::string::npos || thex::bert::first_invalid_utf8(e.text)) {
        std::abort();
      }
    }
  });
  for (const char* column : {"", "sentence"}) {
    allow_input_errors([&] {
      std::istringstream stream(text);
      const auto source = thex::cli::texts_from_stream(stream, "stream", column);
      std::size_t bytes = 0;
      while (const auto line = source->next()) bytes += line->text.size();
      if (bytes > text.size()) std::abort();
    });
    allow_input_errors([&] {
      const auto source = thex::cli::texts_from_file(path, column, [](const std::string&) {});
      while (source->next()) {
      }
    });
  }
  return 0;
}
