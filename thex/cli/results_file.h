// The file that `thex classify --output` writes: one JSON object a text, in the order of the input, so that a run that
// was interrupted goes on where it ended.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>

#include "thex/cli/text_source.h"

namespace thex::cli {

class ResultsFile {
 public:
  // Takes the results that are there from `texts`, one text each, and drops a last line that was not finished. Throws
  // Error(file) when the file cannot be read or written, Error(input) when it has something else than results of these
  // texts: nothing is changed then.
  ResultsFile(const std::filesystem::path& path, TextSource& texts);

  // Results that were there.
  std::size_t found() const { return found_; }
  // Throws Error(file), e.g. when the disk is full; what was appended before stays.
  void append(const std::string& line);

 private:
  std::filesystem::path path_;
  std::ofstream out_;
  std::size_t found_ = 0;
};

}  // namespace thex::cli
