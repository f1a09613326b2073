#include "thex/cli/text_source.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "thex/data/example_reader.h"
#include "thex/data/lines.h"
#include "thex/text/unicode.h"

namespace thex::cli {
namespace {

class OneText : public TextSource {
 public:
  explicit OneText(Text text) : text_(std::move(text)) {}
  std::optional<Text> next() override { return std::exchange(text_, std::nullopt); }
  data::ReadCounts counts() const override { return {.examples = 1}; }

 private:
  std::optional<Text> text_;
};

class Lines : public TextSource {
 public:
  Lines(std::istream& stream, const std::string& name, bool skip_empty)
      : lines_(stream, name), skip_empty_(skip_empty) {}
  std::optional<Text> next() override {
    for (std::string line; lines_.next(line);) {
      const bool empty = data::is_blank(line);
      if (empty && skip_empty_) {
        ++counts_.skipped_empty;
        continue;
      }
      ++counts_.examples;
      counts_.empty += empty;
      return Text{std::move(line), lines_.origin()};
    }
    return std::nullopt;
  }
  data::ReadCounts counts() const override { return counts_; }

 private:
  data::LineReader lines_;
  bool skip_empty_;
  data::ReadCounts counts_;
};

data::TaskSpec without_labels(data::TaskSpec task, bool skip_empty) {
  task.columns.label.clear();
  task.skip_empty = skip_empty;
  return task;
}

class Examples : public TextSource {
 public:
  Examples(std::istream& stream, const std::string& name, const TextLayout& layout)
      : reader_(stream, name, without_labels(*layout.task, layout.skip_empty)) {}
  std::optional<Text> next() override {
    auto example = reader_.next();
    if (!example) return std::nullopt;
    for (const std::string& word : example->words) example->text += (example->text.empty() ? "" : " ") + word;
    return Text{std::move(example->text), reader_.origin(), std::move(example->pair), std::move(example->words)};
  }
  data::ReadCounts counts() const override { return reader_.counts(); }

 private:
  data::ExampleReader reader_;
};

class FileTexts : public TextSource {
 public:
  FileTexts(const std::string& path, const TextLayout& layout)
      : stream_(data::open_data_file(path)), texts_(texts_from_stream(stream_, path, layout)) {}
  std::optional<Text> next() override { return texts_->next(); }
  data::ReadCounts counts() const override { return texts_->counts(); }

 private:
  std::ifstream stream_;
  std::unique_ptr<TextSource> texts_;
};

// Whether the first lines of a file are words with a tag of the model's: two or more columns, the same number in all of
// them, a label in the last one.
bool is_tagged(const std::filesystem::path& file, const std::vector<std::string>& labels) {
  constexpr int kEnough = 20;
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return false;
  std::ifstream stream = data::open_data_file(file);
  data::LineReader lines(stream, file.string());
  std::size_t columns = 0;
  int words = 0;
  for (std::string line; words < kEnough && lines.next(line);) {
    std::istringstream fields(line);
    std::size_t count = 0;
    std::string field;
    while (fields >> field) ++count;
    if (count == 0) continue;
    if (columns == 0) columns = count;
    if (count < 2 || count != columns || std::find(labels.begin(), labels.end(), field) == labels.end()) return false;
    ++words;
  }
  return words > 0;
}

}  // namespace

TextLayout layout_of(const data::Layout& options, const std::string& input, const model::ModelConfig& model) {
  const std::string name = input == "-" ? "" : input;
  TextLayout layout{.skip_empty = options.skip_empty};
  const bool tagged = !options.any() && model.task == model::Task::token_classification &&
                      data::format_in_name(name, model.task) == data::Format::conll && is_tagged(name, model.labels);
  if (options.any() || data::format_in_name(name) || tagged)
    layout.task = data::task_of(options, name, model.task, model.labels);
  return layout;
}

std::unique_ptr<TextSource> text_from_argument(const std::string& text, const std::optional<std::string>& pair) {
  for (const std::string& given : {text, pair.value_or(text)})
    if (const auto byte = text::first_invalid_utf8(given))
      throw Error(ErrorCode::input, "the text is not UTF-8 at byte " + std::to_string(*byte) + "; convert it first");
  if (data::is_blank(text))
    throw Error(ErrorCode::input, "the text is empty or only white space: it has no words to classify");
  if (pair && data::is_blank(*pair))
    throw Error(ErrorCode::input, "the second text is empty or only white space: leave out --pair for a single text");
  return std::make_unique<OneText>(Text{.text = text, .origin = "", .pair = pair});
}

std::unique_ptr<TextSource> texts_from_stream(std::istream& stream, const std::string& name, const TextLayout& layout) {
  if (layout.task) return std::make_unique<Examples>(stream, name, layout);
  return std::make_unique<Lines>(stream, name, layout.skip_empty);
}

std::unique_ptr<TextSource> texts_from_file(const std::string& path, const TextLayout& layout,
                                            const std::function<void(const Text&)>& check, data::ReadCounts& counts) {
  std::error_code error;
  if (std::filesystem::is_regular_file(path, error)) {
    FileTexts texts(path, layout);
    while (const auto text = texts.next()) at(*text, [&] { check(*text); });
    counts = texts.counts();
    if (counts.examples == 0) {
      throw Error(ErrorCode::input,
                  path + (counts.skipped_empty > 0 ? " has no text that is not empty: leave out --skip-empty"
                                                   : " has no text: is the file complete?"));
    }
  }
  return std::make_unique<FileTexts>(path, layout);
}

}  // namespace thex::cli
