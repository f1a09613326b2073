// Labelled text from tab-separated files in GLUE's layouts.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace thex::bert {

struct Example {
  std::string text;
  std::optional<std::string> pair;
  int label = -1;
};

// SST-2's layout: a header line "sentence<TAB>label", then one example a line with label 0 or 1; more columns are
// allowed and every line must have as many as the header. A byte order mark and "\r\n" are accepted. Quotes are
// ordinary characters. Throws Error(input) with file and line for a missing column, a bad label, a line that is not
// UTF-8 or longer than 1 MiB, or a file without examples; Error(file) when it cannot be read or exceeds 1 GiB.
// `pair_column` (optional) names the second sentence of pair tasks.
std::vector<Example> read_tsv(const std::filesystem::path& path, const std::string& text_column,
                              const std::string& label_column, int label_count, const std::string& pair_column = "");

}  // namespace thex::bert
