// The command-line options of a layout.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "thex/data/layout.h"

namespace thex::data {

// --task, --format, --text-column, --pair-column, --no-header and, where labels are read, --label-column.
inline void add_layout_options(CLI::App& app, Layout& layout, bool labels) {
  std::string known;
  for (const std::string& name : preset_names()) known += (known.empty() ? "" : ", ") + name;
  app.add_option("--task", layout.preset, "A known task, which says format, columns and labels of its files: " + known);
  app.add_option("--format", layout.format, "tsv, csv, jsonl or conll (default: by the file's name)")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kFormatNames), std::end(kFormatNames))));
  app.add_option("--text-column", layout.text_column,
                 "Column of the text, a name or #3 for the third (default: the task's, or sentence)");
  app.add_option("--pair-column", layout.pair_column, "Column of the second text of pairs");
  if (labels) {
    app.add_option("--label-column", layout.label_column,
                   "Column of the label, tag or value (default: the task's, or label)");
  }
  app.add_flag("--no-header", layout.no_header, "tsv and csv: the first line is an example already");
}

}  // namespace thex::data
