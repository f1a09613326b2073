#include "thex/cli/text_source.h"

#include <filesystem>
#include <fstream>
#include <utility>

#include "thex/data/example_reader.h"
#include "thex/data/lines.h"

namespace thex::cli {
namespace {

class OneText : public TextSource {
 public:
  explicit OneText(Text text) : text_(std::move(text)) {}
  std::optional<Text> next() override { return std::exchange(text_, std::nullopt); }

 private:
  std::optional<Text> text_;
};

class Lines : public TextSource {
 public:
  Lines(std::istream& stream, const std::string& name) : lines_(stream, name) {}
  std::optional<Text> next() override {
    std::string line;
    if (!lines_.next(line)) return std::nullopt;
    return Text{std::move(line), lines_.origin()};
  }

 private:
  data::LineReader lines_;
};

data::TaskSpec without_labels(data::TaskSpec task) {
  task.columns.label.clear();
  return task;
}

class Examples : public TextSource {
 public:
  Examples(std::istream& stream, const std::string& name, const data::TaskSpec& task)
      : reader_(stream, name, without_labels(task)) {}
  std::optional<Text> next() override {
    auto example = reader_.next();
    if (!example) return std::nullopt;
    for (const std::string& word : example->words) example->text += (example->text.empty() ? "" : " ") + word;
    return Text{std::move(example->text), reader_.origin(), std::move(example->pair), std::move(example->words)};
  }

 private:
  data::ExampleReader reader_;
};

class FileTexts : public TextSource {
 public:
  FileTexts(const std::string& path, const TextLayout& layout)
      : stream_(data::open_data_file(path)), texts_(texts_from_stream(stream_, path, layout)) {}
  std::optional<Text> next() override { return texts_->next(); }

 private:
  std::ifstream stream_;
  std::unique_ptr<TextSource> texts_;
};

}  // namespace

std::unique_ptr<TextSource> text_from_argument(const std::string& text, const std::optional<std::string>& pair) {
  return std::make_unique<OneText>(Text{.text = text, .origin = "", .pair = pair});
}

std::unique_ptr<TextSource> texts_from_stream(std::istream& stream, const std::string& name, const TextLayout& layout) {
  if (layout) return std::make_unique<Examples>(stream, name, *layout);
  return std::make_unique<Lines>(stream, name);
}

std::unique_ptr<TextSource> texts_from_file(const std::string& path, const TextLayout& layout,
                                            const std::function<void(const Text&)>& check) {
  if (std::filesystem::is_regular_file(path)) {  // a pipe can be read only once
    FileTexts texts(path, layout);
    std::size_t count = 0;
    while (const auto text = texts.next()) {
      at(*text, [&] { check(*text); });
      ++count;
    }
    if (count == 0) throw Error(ErrorCode::input, path + " has no text");
  }
  return std::make_unique<FileTexts>(path, layout);
}

}  // namespace thex::cli
