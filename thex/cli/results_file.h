// The file that `thex classify --output` writes: one JSON object a text, in the order of the input, so that a run that
// was interrupted goes on where it ended. One run writes it at a time, and its results are of one model and one input.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "thex/cli/report.h"
#include "thex/cli/text_source.h"

namespace thex::cli {

// What the results of a file have in common; kept with each of them as "model" and "input".
struct ResultsOrigin {
  std::string model;  // the model's digest
  std::string input;  // cli/digest.h, of all texts; empty for a pipe, of which nobody knows the end
};

// Throws Error(usage) when `output` is the input file itself or a file of the model's folder, through links too, or
// when standard output is the input file.
void refuse_output_over_input(const std::filesystem::path& output, const std::filesystem::path& input,
                              const std::filesystem::path& model_folder);

class ResultsFile {
 public:
  // Takes the results that are there from `texts`, one text each, and drops a last line that was not finished. With
  // `replace` whatever is there goes, with the first new result: a run that gets none has lost nothing. Throws
  // Error(file) when the file cannot be read or written or another process writes it (naming that one), Error(input)
  // when it has something else than results of these texts by this model, in this order: nothing is changed then.
  ResultsFile(const std::filesystem::path& path, TextSource& texts, ResultsOrigin origin, bool replace);
  ~ResultsFile();
  ResultsFile(const ResultsFile&) = delete;
  ResultsFile& operator=(const ResultsFile&) = delete;

  // How many finished results the file had when it was opened.
  std::size_t found() const { return found_; }
  // The text whose result was not finished, which `texts` has given already: it comes next.
  std::optional<Text> take_unfinished() { return std::exchange(unfinished_, std::nullopt); }
  // Writes one more with the origin's digests. Throws Error(file), e.g. when the disk is full; what was appended before
  // stays.
  void append(Json result);
  // At the end of a run that has appended all: waits until they are on the disk. Throws Error(file) when they are not,
  // as a disk across a network may say only now.
  void finish();

 private:
  void open_locked();
  void take_over(TextSource& texts);
  void cut(off_t length);
  void check_result(const std::string& line, const std::optional<Text>& text) const;
  [[noreturn]] void fail(const std::string& what) const;
  [[noreturn]] void refuse(const std::string& what) const;

  std::filesystem::path path_;
  ResultsOrigin origin_;
  bool replace_;  // what is there, not yet done
  int file_ = -1;
  std::size_t found_ = 0;
  std::optional<Text> unfinished_;
};

}  // namespace thex::cli
