#include "thex/cli/results_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "thex/base/error.h"
#include "thex/base/json.h"

namespace thex::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxResultBytes = std::size_t{64} << 20;

// Lines of an open file, by its descriptor: closing another one would give up the lock.
class Lines {
 public:
  explicit Lines(int file) : file_(file) {}

  // The next line, without its end; `whole`: it had one. False at the end of the file.
  bool next(std::string& line, bool& whole) {
    line.clear();
    for (;;) {
      const auto begin = buffer_.begin() + static_cast<std::ptrdiff_t>(at_);
      const auto end = std::find(begin, buffer_.begin() + static_cast<std::ptrdiff_t>(size_), '\n');
      line.append(begin, end);
      at_ = static_cast<std::size_t>(end - buffer_.begin());
      whole = at_ < size_;
      if (whole) ++at_;
      if (whole || line.size() > kMaxResultBytes) return true;
      if (!fill()) return !line.empty();
    }
  }

 private:
  bool fill() {
    ssize_t n = 0;
    do n = ::pread(file_, buffer_.data(), buffer_.size(), offset_);
    while (n < 0 && errno == EINTR);
    if (n < 0) throw Error(ErrorCode::file, std::string("cannot be read: ") + std::strerror(errno));
    offset_ += n;
    at_ = 0, size_ = static_cast<std::size_t>(n);
    return n > 0;
  }

  int file_;
  off_t offset_ = 0;
  std::vector<char> buffer_ = std::vector<char>(1 << 16);
  std::size_t at_ = 0, size_ = 0;
};

// What every result of a text starts with.
std::string beginning_of_result(const Text& text) {
  Json json;
  json["text"] = text.text;
  if (text.pair) json["pair"] = *text.pair;
  std::string line = json_line(json);
  line.pop_back();
  return line;
}

// Whether a line without an end is what was written of this text's result when the run was interrupted. A power cut
// may leave zero bytes.
bool is_torn_result(std::string line, const std::optional<Text>& text) {
  line.erase(std::find_if(line.rbegin(), line.rend(), [](char c) { return c != '\0'; }).base(), line.end());
  if (!text) return line.empty();
  const std::string start = beginning_of_result(*text);
  return line.starts_with(start) || start.starts_with(line);
}

bool same_file(const fs::path& a, const fs::path& b) {
  std::error_code error;
  return fs::equivalent(a, b, error) && !error;
}

}  // namespace

void refuse_output_over_input(const fs::path& output, const fs::path& input, const fs::path& model_folder) {
  if (!output.empty() && same_file(output, input))
    throw Error(ErrorCode::usage, "--output " + output.string() + " is the input file itself: name another file");
  std::error_code error;
  if (!output.empty() && fs::exists(output, error)) {
    constexpr auto kSkip = fs::directory_options::skip_permission_denied;
    for (const auto& entry : fs::recursive_directory_iterator(model_folder, kSkip, error))
      if (entry.is_regular_file(error) && same_file(output, entry.path()))
        throw Error(ErrorCode::usage, "--output " + output.string() + " is a file of the model: name another file");
  }
  struct stat out {
  }, in{};
  if (::fstat(STDOUT_FILENO, &out) == 0 && S_ISREG(out.st_mode) && ::stat(input.c_str(), &in) == 0 &&
      out.st_dev == in.st_dev && out.st_ino == in.st_ino)
    throw Error(ErrorCode::usage,
                "standard output is the input file " + input.string() + " itself: write another file");
}

void ResultsFile::fail(const std::string& what) const { throw Error(ErrorCode::file, path_.string() + ": " + what); }

void ResultsFile::refuse(const std::string& what) const {
  throw Error(ErrorCode::input,
              fmt::format("{}:{}: {}: name a new file with --output, or replace this one with --force", path_.string(),
                          found_ + 1, what));
}

ResultsFile::ResultsFile(const fs::path& path, TextSource& texts, ResultsOrigin origin, bool replace)
    : path_(path), origin_(std::move(origin)), replace_(replace) {
  try {
    open_locked();
    if (!replace_) take_over(texts);
  } catch (...) {
    if (file_ >= 0) ::close(file_);
    throw;
  }
}

ResultsFile::~ResultsFile() {
  ::fdatasync(file_);
  ::close(file_);
}

void ResultsFile::cut(off_t length) {
  if (::ftruncate(file_, length) != 0) fail(std::string("cannot be written: ") + std::strerror(errno));
}

void ResultsFile::finish() {
  if (std::exchange(replace_, false)) cut(0);
  // A pipe or the like is refused when it is opened; a file system without the call writes at once.
  if (::fdatasync(file_) != 0 && errno != EINVAL) fail(std::string("cannot be written: ") + std::strerror(errno));
}

// A lock of the whole file, which ends with the process whatever ends it, and whose holder can be asked for.
void ResultsFile::open_locked() {
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
  if (file_ < 0) fail(std::string("cannot be written: ") + std::strerror(errno));
  struct stat opened {
  }, named{};
  if (::fstat(file_, &opened) != 0 || !S_ISREG(opened.st_mode))
    fail("not a regular file; results for a pipe or a device: standard output with --json");
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(file_, F_SETLK, &lock) != 0) {
    if (errno != EACCES && errno != EAGAIN) fail(std::string("cannot be locked: ") + std::strerror(errno));
    const bool known = ::fcntl(file_, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0;
    fail(fmt::format("{} is writing this file: wait for its end, or name another file with --output",
                     known ? fmt::format("process {}", lock.l_pid) : "another process"));
  }
  if (::stat(path_.c_str(), &named) != 0 || named.st_dev != opened.st_dev || named.st_ino != opened.st_ino)
    fail("another process replaced the file just now; start again");
}

void ResultsFile::check_result(const std::string& line, const std::optional<Text>& text) const {
  const Json json = Json::parse(line, nullptr, false);
  const bool result = text && json.is_object() && json.contains("text") && json["text"] == text->text &&
                      (text->pair ? json.contains("pair") && json["pair"] == *text->pair : !json.contains("pair"));
  if (!result) refuse("not the result of " + (text ? text->origin : "any text of the input"));
  const auto field = [&](const char* name) {
    return json.contains(name) && json[name].is_string() ? json[name].get<std::string>() : std::string();
  };
  if (field("model").empty()) refuse("a result that does not say which model it is from");
  if (field("model") != origin_.model) {
    refuse(fmt::format("a result of another model, of other options or of another version of thex ({}, this is {})",
                       field("model"), origin_.model));
  }
  if (field("input") != origin_.input) {
    refuse(fmt::format("a result of another input ({}, this is {}): texts were changed, added or left out",
                       field("input"), origin_.input));
  }
}

void ResultsFile::take_over(TextSource& texts) {
  off_t complete = 0;
  Lines lines(file_);
  std::string line;
  bool whole = false;
  try {
    while (lines.next(line, whole)) {
      std::optional<Text> text = texts.next();
      if (!whole) {
        if (!is_torn_result(line, text))
          refuse("not the beginning of the result of " + (text ? text->origin : "any text of the input"));
        unfinished_ = std::move(text);
        break;
      }
      check_result(line, text);
      complete += static_cast<off_t>(line.size()) + 1;
      ++found_;
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::file) fail(error.what());
    throw;
  }
  cut(complete);
}

void ResultsFile::append(Json result) {
  result["model"] = origin_.model;
  result["input"] = origin_.input.empty() ? Json(nullptr) : Json(origin_.input);
  const std::string line = json_line(result) + "\n";
  if (std::exchange(replace_, false)) cut(0);
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t n = ::write(file_, line.data() + done, line.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail(std::string("cannot be written: ") + std::strerror(errno));
    done += static_cast<std::size_t>(n);
  }
}

}  // namespace thex::cli
