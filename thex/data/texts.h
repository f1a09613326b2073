// Texts without labels, one a line.
#pragma once

#include <filesystem>
#include <vector>

#include "thex/data/example.h"
#include "thex/model/config.h"

namespace thex::data {

// Lines without a visible character are left out. For token classification the words are what stands between blanks;
// with `pairs` the first tab of a line stands between two texts, and a line without both is an error.
// Throws as read_examples does for lines, and Error(input) for a file without any.
std::vector<Example> read_texts(const std::filesystem::path& file, model::Task kind, bool pairs = false);

// Whether a file is taken as that where examples are asked for: a .txt that is not tagged words.
bool is_texts(const std::filesystem::path& file, model::Task kind);

}  // namespace thex::data
