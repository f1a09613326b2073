#include "thex/cli/results_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "thex/base/error.h"

namespace thex::cli {
namespace {

using Json = nlohmann::json;

bool is_result_of(const std::string& line, const Text& text) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("text") || json["text"] != text.text) return false;
  return text.pair ? json.contains("pair") && json["pair"] == *text.pair : !json.contains("pair");
}

[[noreturn]] void fail(const std::filesystem::path& path, const char* what) {
  throw Error(ErrorCode::file, fmt::format("{}: {}: {}", path.string(), what, std::strerror(errno)));
}

}  // namespace

ResultsFile::ResultsFile(const std::filesystem::path& path, TextSource& texts) : path_(path) {
  std::uintmax_t complete = 0;
  if (std::filesystem::exists(path)) {
    std::ifstream in(path, std::ios::binary);
    if (!in || !std::filesystem::is_regular_file(path)) fail(path, "cannot be read");
    for (std::string line; std::getline(in, line) && !in.eof(); complete += line.size() + 1) {
      const std::optional<Text> text = texts.next();
      if (!text || !is_result_of(line, *text))
        throw Error(ErrorCode::input,
                    fmt::format("{}:{}: not the result of {}: name a new file, or remove this one", path.string(),
                                found_ + 1, text ? text->origin : "any text of the input"));
      ++found_;
    }
    if (in.bad()) fail(path, "cannot be read");
  }
  out_.open(path, std::ios::binary | std::ios::app);
  if (!out_) fail(path, "cannot be written");
  std::error_code error;
  std::filesystem::resize_file(path, complete, error);
  if (error) throw Error(ErrorCode::file, path.string() + ": " + error.message());
}

void ResultsFile::append(const std::string& line) {
  out_ << line << '\n' << std::flush;
  if (!out_) fail(path_, "cannot be written");
}

}  // namespace thex::cli
