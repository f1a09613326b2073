#include "thex/cli/text_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <vector>

namespace thex::cli {
namespace {

constexpr std::size_t kMaxLine = std::size_t{1} << 20;

class OneText : public TextSource {
 public:
  explicit OneText(std::string text) : text_(std::move(text)) {}
  std::optional<Text> next() override {
    if (done_) return std::nullopt;
    done_ = true;
    return Text{text_, ""};
  }

 private:
  std::string text_;
  bool done_ = false;
};

std::vector<std::string> split_tabs(const std::string& line) {
  std::vector<std::string> fields;
  std::size_t start = 0;
  for (std::size_t tab = line.find('\t'); tab != std::string::npos; tab = line.find('\t', start)) {
    fields.push_back(line.substr(start, tab - start));
    start = tab + 1;
  }
  fields.push_back(line.substr(start));
  return fields;
}

class Lines : public TextSource {
 public:
  Lines(std::istream& stream, std::string name, std::string text_column)
      : stream_(stream), name_(std::move(name)), column_name_(std::move(text_column)) {}

  std::optional<Text> next() override {
    std::string line;
    if (!column_name_.empty() && number_ == 0) read_header(line);
    if (!read(line)) return std::nullopt;
    std::string origin = fmt::format("{}:{}", name_, number_);
    if (column_name_.empty()) return Text{std::move(line), std::move(origin)};
    std::vector<std::string> fields = split_tabs(line);
    if (fields.size() <= column_) {
      throw Error(ErrorCode::input,
                  fmt::format("{}: {} columns, '{}' is column {}", origin, fields.size(), column_name_, column_ + 1));
    }
    return Text{std::move(fields[column_]), std::move(origin)};
  }

 private:
  bool read(std::string& line) {
    line.clear();
    int c = stream_.get();
    if (c == std::istream::traits_type::eof()) return false;
    ++number_;
    for (; c != std::istream::traits_type::eof() && c != '\n'; c = stream_.get()) {
      if (line.size() == kMaxLine) {
        throw Error(ErrorCode::input, fmt::format("{}:{}: a line of more than {} bytes", name_, number_, kMaxLine));
      }
      line.push_back(static_cast<char>(c));
    }
    if (!line.empty() && line.back() == '\r') line.pop_back();
    return true;
  }

  void read_header(std::string& line) {
    if (!read(line))
      throw Error(ErrorCode::input, name_ + " is empty: no header line with a column '" + column_name_ + "'");
    const std::vector<std::string> fields = split_tabs(line);
    const auto it = std::find(fields.begin(), fields.end(), column_name_);
    if (it == fields.end()) throw Error(ErrorCode::input, name_ + " has no column '" + column_name_ + "'");
    column_ = static_cast<std::size_t>(it - fields.begin());
  }

  std::istream& stream_;
  std::string name_, column_name_;
  std::size_t column_ = 0, number_ = 0;
};

class FileLines : public TextSource {
 public:
  FileLines(const std::string& path, const std::string& text_column)
      : stream_(path, std::ios::binary), lines_(stream_, path, text_column) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error))
      throw Error(ErrorCode::file, path + " is a folder, not a file of texts");
    if (!stream_) throw Error(ErrorCode::file, fmt::format("cannot open {}: {}", path, std::strerror(errno)));
  }
  std::optional<Text> next() override { return lines_.next(); }

 private:
  std::ifstream stream_;
  Lines lines_;
};

}  // namespace

std::unique_ptr<TextSource> text_from_argument(const std::string& text) { return std::make_unique<OneText>(text); }

std::unique_ptr<TextSource> texts_from_stream(std::istream& stream, const std::string& name,
                                              const std::string& text_column) {
  return std::make_unique<Lines>(stream, name, text_column);
}

std::unique_ptr<TextSource> texts_from_file(const std::string& path, const std::string& text_column,
                                            const std::function<void(const std::string&)>& check) {
  if (std::filesystem::is_regular_file(path)) {  // a pipe can be read only once
    FileLines lines(path, text_column);
    std::size_t count = 0;
    while (const auto text = lines.next()) {
      at(*text, [&] { check(text->text); });
      ++count;
    }
    if (count == 0) throw Error(ErrorCode::input, path + " has no text");
  }
  return std::make_unique<FileLines>(path, text_column);
}

}  // namespace thex::cli
