// Any bytes as a labelled data set of any format and task, or as a file of texts to classify: an Error(input), or
// examples that keep to the documented ranges. The first byte picks what is read.
#include <algorithm>
#include <cmath>
#include <sstream>

#include "fuzz/scratch_folder.h"
#include "thex/base/error.h"
#include "thex/cli/text_source.h"
#include "thex/data/example_reader.h"
#include "thex/data/metrics.h"
#include "thex/data/tags.h"
#include "thex/data/texts.h"
#include "thex/text/unicode.h"

namespace {

using thex::data::Example;
using thex::data::Format;
using thex::data::TaskSpec;
using thex::model::Task;

// Whether f succeeded; anything but Error(input), or Error(file) for what is no data file at all, is a finding.
template <typename F>
bool allow_input_errors(F&& f) {
  try {
    f();
    return true;
  } catch (const thex::Error& error) {
    const bool expected = error.code() == thex::ErrorCode::input || error.code() == thex::ErrorCode::file;
    if (!expected || error.what()[0] == '\0') std::abort();
    return false;
  }
}

void require(bool condition) {
  if (!condition) std::abort();
}

bool is_text(const std::string& text) {
  return !thex::text::first_invalid_utf8(text) && text.find('\0') == std::string::npos;
}

// Bits: 0 pairs, 1 a header line of ours before the bytes, 2-3 the format, 4-5 the kind of task, 6 columns by number, 7
// the formats that came later: JSON arrays for JSON lines, CoNLL-U for CoNLL; other tags; CoLA's other columns; no
// empty texts.
TaskSpec task_of(std::uint8_t bits) {
  TaskSpec task;
  task.name = "custom";
  task.format = static_cast<Format>(bits >> 2 & 3);
  const bool later = bits & 128;
  if (later && task.format == Format::jsonl) task.format = Format::json;
  if (later && task.format == Format::conll) task.format = Format::conllu;
  task.skip_empty = later;
  task.kind = static_cast<Task>((bits >> 4 & 3) % 3);
  const std::vector<std::string> tags =
      later ? std::vector<std::string>{"O", "B-PER", "I-PER", "E-PER", "S-PER", "B-LOC", "I-LOC", "E-LOC", "S-LOC"}
            : std::vector<std::string>{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};
  const bool tokens = task.kind == Task::token_classification;
  if (tokens) {
    task.labels = tags;
  } else {
    task.labels = task.kind == Task::regression ? std::vector<std::string>{"score"}
                                                : std::vector<std::string>{"no", "maybe", "yes"};
  }
  if ((bits & 1) && !tokens) task.columns.pair = "second";
  if ((bits & 64) && task.format != Format::jsonl && task.format != Format::json) {
    task.columns = {"#1", task.columns.pair.empty() ? "" : "#3", "#2", false, true};
    if (later && task.columns.pair.empty()) task.unlabelled = thex::data::Columns{"sentence", "", ""};
  }
  if (task.format == Format::conll || task.format == Format::conllu) {
    task.columns = {"#1", "", bits & 64 ? "#last" : "#2"};
    task.kind = Task::token_classification;
    task.labels = tags;
  }
  return task;
}

void check(const Example& e, const TaskSpec& task) {
  const auto labels = static_cast<int>(task.labels.size());
  require(e.pair.has_value() == !task.columns.pair.empty());
  require(is_text(e.text) && (!e.pair || is_text(*e.pair)));
  if (task.format == Format::tsv) require(e.text.find_first_of("\t\n") == std::string::npos);
  switch (task.kind) {
    case Task::classification:
      require(e.label >= 0 && e.label < labels && e.tags.empty() && std::isnan(e.value));
      break;
    case Task::regression:
      require(e.label == -1 && std::isfinite(e.value));
      break;
    case Task::token_classification: {
      require(e.words.size() == e.tags.size() && e.text.empty());
      std::vector<std::string> tags;
      for (const int tag : e.tags) {
        require(tag >= 0 && tag < labels);
        tags.push_back(task.labels[static_cast<std::size_t>(tag)]);
      }
      for (const std::string& word : e.words) require(is_text(word));
      const auto scheme = thex::data::scheme_of(task.labels);  // the task's already
      require(thex::data::tags_of(thex::data::entities_of(tags), tags.size(), *scheme) == tags);
      break;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const thex::fuzz::ScratchFolder folder;
  if (size == 0) return 0;
  const TaskSpec task = task_of(data[0]);
  std::string text;
  if ((data[0] & 2) && task.columns.header && task.format == Format::tsv)
    text = data[0] & 1 ? "sentence\tlabel\tsecond\n" : "sentence\tlabel\n";
  if ((data[0] & 2) && task.columns.header && task.format == Format::csv)
    text = data[0] & 1 ? "sentence,label,second\n" : "sentence,label\n";
  text += thex::fuzz::text_of(data + 1, size - 1);
  const auto path = folder.write("data.tsv", text);
  std::vector<Example> examples;
  allow_input_errors([&] {
    const bool pairs = !task.columns.pair.empty() && task.kind != Task::token_classification;
    const auto texts = thex::data::read_texts(path, task.kind, pairs);
    require(!texts.empty());
    for (const Example& e : texts) {
      require(is_text(e.text) && e.pair.has_value() == pairs && (!pairs || is_text(*e.pair)));
      require(e.text.empty() == (task.kind == Task::token_classification) && e.tags.empty());
    }
  });
  const bool read = allow_input_errors([&] { examples = thex::data::read_examples(path, task); });
  require(read == !examples.empty());
  thex::data::Outcomes right;
  for (const Example& e : examples) {
    check(e, task);
    if (!e.tags.empty()) right.gold_tags.push_back(e.tags);
    if (e.label >= 0) right.gold.push_back(e.label);
  }
  right.predicted_tags = right.gold_tags, right.predicted = right.gold;
  const auto has_words = [](const std::vector<int>& tags) { return !tags.empty(); };
  if (!right.gold.empty() || std::any_of(right.gold_tags.begin(), right.gold_tags.end(), has_words))
    require(thex::data::score(thex::data::Metric::accuracy, right, task.labels) == 1);
  if (task.kind != Task::regression) {
    allow_input_errors([&] {
      const auto labels = thex::data::labels_of(path, task);
      require(labels.size() >= 2 && labels.size() <= 64);
      for (const std::string& label : labels) require(is_text(label));
    });
  }
  // As texts to classify: by the task's columns, and line by line.
  for (const thex::cli::TextLayout& layout :
       {thex::cli::TextLayout{task, task.skip_empty}, thex::cli::TextLayout{std::nullopt, task.skip_empty}}) {
    std::size_t count = 0;
    const bool whole = allow_input_errors([&] {
      std::istringstream stream(text);
      const auto source = thex::cli::texts_from_stream(stream, "stream", layout);
      while (const auto next = source->next()) {
        require(is_text(next->text) && next->origin.starts_with("stream:"));
        ++count;
      }
    });
    if (layout.task && !task.unlabelled && read)
      require(whole && count == examples.size());  // labels are all that may be wrong in addition
    thex::data::ReadCounts counts;
    allow_input_errors([&] {
      const auto source = thex::cli::texts_from_file(
          path, layout, [](const thex::cli::Text&) {}, counts);
      while (source->next()) --count;
      require(!whole || count == 0);
    });
  }
  return 0;
}
