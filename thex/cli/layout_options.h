// The command-line options of a layout, and what is said of empty texts.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "thex/data/layout.h"

namespace thex::cli {

// --task, --format, --text-column, --pair-column, --no-header, --skip-empty and, where labels are read, --label-column
// and --positive-label.
inline void add_layout_options(CLI::App& app, data::Layout& layout, bool labels) {
  std::string known;
  for (const std::string& name : data::preset_names()) known += (known.empty() ? "" : ", ") + name;
  app.add_option("--task", layout.preset, "A known task, which says format, columns and labels of its files: " + known);
  app.add_option("--format", layout.format,
                 "tsv, csv, json, jsonl, conll or conllu (default: by the ending of the file's name)")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(data::kFormatNames), std::end(data::kFormatNames))));
  app.add_option("--text-column", layout.text_column,
                 "Column of the text, a name or #3 for the third (default: the task's, or sentence)");
  app.add_option("--pair-column", layout.pair_column, "Column of the second text of pairs");
  if (labels) {
    app.add_option("--label-column", layout.label_column,
                   "Column of the label, tag or value (default: the task's, or label)");
    app.add_option("--positive-label", layout.positive_label,
                   "Two classes: the label that f1 counts (default: true of false and true, yes, positive, 1 and the "
                   "like, else the second one)");
  }
  app.add_flag("--no-header", layout.no_header, "tsv and csv: the first line is an example already");
  app.add_flag("--skip-empty", layout.skip_empty,
               "Leave out empty texts, which count as texts without words otherwise");
}

// What was left out or is odd: "2 of 40 texts are empty; ..", or nothing. `what`: "texts", "examples".
inline std::string reading_note(const data::ReadCounts& counts, const std::string& what) {
  if (counts.skipped_short > 0) {
    data::ReadCounts others = counts;
    others.skipped_short = 0;
    const std::string more = reading_note(others, what);
    return fmt::format("{} of {} rows have fewer columns than the first line; left out{}{}", counts.skipped_short,
                       counts.examples + counts.skipped_empty + counts.skipped_short, more.empty() ? "" : "\n", more);
  }
  if (counts.skipped_empty > 0)
    return fmt::format("{} of {} {} are empty; left out", counts.skipped_empty, counts.examples + counts.skipped_empty,
                       what);
  if (counts.empty == 0) return "";
  return fmt::format(
      "{} of {} {} are empty or have an empty part; taken as texts without words (--skip-empty leaves them "
      "out)",
      counts.empty, counts.examples, what);
}

}  // namespace thex::cli
