#include "thex/data/texts.h"

#include <fstream>
#include <limits>
#include <sstream>

#include "thex/base/error.h"
#include "thex/data/example_reader.h"
#include "thex/data/lines.h"
#include "thex/data/task.h"

namespace thex::data {

std::vector<Example> read_texts(const std::filesystem::path& file, model::Task kind, bool pairs) {
  std::ifstream stream = open_data_file(file);
  LineReader lines(stream, file.string());
  std::vector<Example> out;
  for (std::string line; lines.next(line);) {
    if (is_blank(line)) continue;
    Example example;
    example.value = std::numeric_limits<double>::quiet_NaN();
    if (kind == model::Task::token_classification) {
      std::istringstream words(line);
      for (std::string word; words >> word;) example.words.push_back(word);
    } else if (pairs) {
      const std::size_t tab = line.find('\t');
      if (tab == std::string::npos || is_blank(line.substr(0, tab)) || is_blank(line.substr(tab + 1)))
        lines.fail("the task has two texts: write both on the line with a tab between them");
      example.text = line.substr(0, tab);
      example.pair = line.substr(tab + 1);
    } else {
      example.text = std::move(line);
    }
    out.push_back(std::move(example));
  }
  if (out.empty()) throw Error(ErrorCode::input, file.string() + ": no texts; is the file complete?");
  return out;
}

bool is_texts(const std::filesystem::path& file, model::Task kind) {
  const std::string ending = file.extension().string();
  return (ending == ".txt" || ending == ".TXT") && !format_in_name(file, kind);
}

}  // namespace thex::data
