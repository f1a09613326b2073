// Any bytes as a labelled data set of any format and task, or as a file of texts to classify: an Error(input), or
// examples that keep to the documented ranges. The first byte picks what is read.
#include <cmath>
#include <sstream>

#include "fuzz/scratch_folder.h"
#include "thex/base/error.h"
#include "thex/cli/text_source.h"
#include "thex/data/conll.h"
#include "thex/data/example_reader.h"
#include "thex/data/metrics.h"
#include "thex/text/unicode.h"

namespace {

using thex::data::Example;
using thex::data::Format;
using thex::data::TaskSpec;
using thex::model::Task;

// Whether f succeeded; anything but Error(input) is a finding.
template <typename F>
bool allow_input_errors(F&& f) {
  try {
    f();
    return true;
  } catch (const thex::Error& error) {
    if (error.code() != thex::ErrorCode::input || error.what()[0] == '\0') std::abort();
    return false;
  }
}

void require(bool condition) {
  if (!condition) std::abort();
}

bool is_text(const std::string& text) {
  return !thex::text::first_invalid_utf8(text) && text.find('\0') == std::string::npos;
}

// Bits: 0 pairs, 1 a header line of ours before the bytes, 2-3 the format, 4-5 the kind of task, 6 columns by number.
TaskSpec task_of(std::uint8_t bits) {
  TaskSpec task;
  task.name = "custom";
  task.format = static_cast<Format>(bits >> 2 & 3);
  task.kind = static_cast<Task>((bits >> 4 & 3) % 3);
  const bool tokens = task.kind == Task::token_classification;
  if (tokens) {
    task.labels = {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};
  } else {
    task.labels = task.kind == Task::regression ? std::vector<std::string>{"score"}
                                                : std::vector<std::string>{"no", "maybe", "yes"};
  }
  if ((bits & 1) && !tokens) task.columns.pair = "second";
  if ((bits & 64) && task.format != Format::jsonl) {
    task.columns = {"#1", task.columns.pair.empty() ? "" : "#3", "#2", false, true};
  }
  if (task.format == Format::conll) {
    task.columns = {"#1", "", bits & 64 ? "#last" : "#2"};
    task.kind = Task::token_classification;
    task.labels = {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};
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
      require(!e.words.empty() && e.words.size() == e.tags.size() && e.text.empty());
      std::vector<std::string> tags;
      for (const int tag : e.tags) {
        require(tag >= 0 && tag < labels);
        tags.push_back(task.labels[static_cast<std::size_t>(tag)]);
      }
      for (const std::string& word : e.words) require(is_text(word));
      auto again = tags;  // IOB2 already: every entity starts with B
      thex::data::convert_to_iob2(again);
      require(again == tags);
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
  const bool read = allow_input_errors([&] { examples = thex::data::read_examples(path, task); });
  require(read == !examples.empty());
  thex::data::Outcomes right;
  for (const Example& e : examples) {
    check(e, task);
    if (!e.tags.empty()) right.gold_tags.push_back(e.tags);
    if (e.label >= 0) right.gold.push_back(e.label);
  }
  right.predicted_tags = right.gold_tags, right.predicted = right.gold;
  if (!right.gold.empty() || !right.gold_tags.empty())
    require(thex::data::score(thex::data::Metric::accuracy, right, task.labels) == 1);
  if (task.kind != Task::regression) {
    allow_input_errors([&] {
      const auto labels = thex::data::labels_of(path, task);
      require(labels.size() >= 2 && labels.size() <= 64);
      for (const std::string& label : labels) require(is_text(label));
    });
  }
  // As texts to classify: by the task's columns, and line by line.
  for (const thex::cli::TextLayout& layout : {thex::cli::TextLayout(task), thex::cli::TextLayout()}) {
    std::size_t count = 0;
    const bool whole = allow_input_errors([&] {
      std::istringstream stream(text);
      const auto source = thex::cli::texts_from_stream(stream, "stream", layout);
      while (const auto next = source->next()) {
        require(is_text(next->text) && next->origin.starts_with("stream:"));
        ++count;
      }
    });
    if (layout && read) require(whole && count == examples.size());  // labels are all that may be wrong in addition
    allow_input_errors([&] {
      const auto source = thex::cli::texts_from_file(path, layout, [](const thex::cli::Text&) {});
      while (source->next()) --count;
      require(!whole || count == 0);
    });
  }
  return 0;
}
