// Reading the examples of a task.
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <set>

#include "thex/base/error.h"
#include "thex/data/conll.h"
#include "thex/data/table.h"
#include "thex/data/task.h"

namespace thex::data {
namespace {

using bert::Task;

constexpr std::uintmax_t kMaxFileBytes = std::uintmax_t{1} << 30;
constexpr std::size_t kMinLabels = 2, kMaxLabels = 64;

// What one example of a file says, before it is known which labels there are.
struct Raw {
  std::size_t line = 0;
  std::string text, pair, label;
  std::vector<std::string> words, tags;
};

std::vector<std::string> words_of(const Field& field) {
  if (field.is_list) return field.list;
  std::vector<std::string> words;
  for (std::size_t start = field.text.find_first_not_of(' '); start != std::string::npos;) {
    const std::size_t end = std::min(field.text.find(' ', start), field.text.size());
    words.push_back(field.text.substr(start, end - start));
    start = field.text.find_first_not_of(' ', end);
  }
  return words;
}

std::ifstream open(const std::filesystem::path& file) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) throw Error(ErrorCode::file, file.string() + " is a folder");
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw Error(ErrorCode::file, "cannot open " + file.string() + ": " + std::strerror(errno));
  const std::uintmax_t bytes = std::filesystem::file_size(file, error);
  if (!error && bytes > kMaxFileBytes) {
    throw Error(ErrorCode::file, file.string() + " has " + std::to_string(bytes) + " bytes, at most " +
                                     std::to_string(kMaxFileBytes) + " are read");
  }
  return stream;
}

// Calls f for each example of the file.
void each(const std::filesystem::path& file, const TaskSpec& task, const std::function<void(Raw)>& f) {
  std::ifstream stream = open(file);
  const std::string name = file.string();
  const bool tokens = task.kind == Task::token_classification;
  std::size_t count = 0;
  if (task.format == Format::conll) {
    if (!tokens) throw Error(ErrorCode::usage, "conll files hold tagged words, and the task is none of tokens");
    ConllReader reader(stream, name, task.columns);
    for (; auto sentence = reader.next(); ++count)
      f({sentence->line, "", "", "", std::move(sentence->words), std::move(sentence->tags)});
  } else {
    std::vector<std::string> wanted = {task.columns.text};
    if (!task.columns.pair.empty()) wanted.push_back(task.columns.pair);
    if (!task.columns.label.empty()) wanted.push_back(task.columns.label);
    RowReader reader(stream, name, task.format, task.columns.header, wanted);
    for (; auto row = reader.next(); ++count) {
      Raw raw;
      raw.line = row->line;
      const auto text_of = [&](Field& field, const std::string& column) -> std::string {
        if (field.is_list) reader.fail(row->line, "field \"" + column + "\" is an array, text is wanted");
        return std::move(field.text);
      };
      std::size_t next = 1;
      if (tokens) {
        raw.words = words_of(row->fields[0]);
        if (!task.columns.label.empty()) {
          raw.tags = words_of(row->fields.back());
          if (raw.tags.size() != raw.words.size()) {
            reader.fail(row->line, std::to_string(raw.words.size()) + " words and " + std::to_string(raw.tags.size()) +
                                       " tags; each word needs one");
          }
        }
      } else {
        raw.text = text_of(row->fields[0], task.columns.text);
        if (!task.columns.pair.empty()) raw.pair = text_of(row->fields[next++], task.columns.pair);
        if (!task.columns.label.empty()) raw.label = text_of(row->fields[next], task.columns.label);
      }
      f(std::move(raw));
    }
  }
  if (stream.bad()) throw Error(ErrorCode::file, "cannot read " + name + ": " + std::strerror(errno));
  if (count == 0) {
    throw Error(ErrorCode::input,
                name + " has no examples" +
                    (task.format != Format::conll && task.format != Format::jsonl && task.columns.header
                         ? " after its header line"
                         : ""));
  }
}

std::optional<std::size_t> as_number(const std::string& text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

[[noreturn]] void fail(const std::filesystem::path& file, std::size_t line, const std::string& message) {
  throw Error(ErrorCode::input, file.string() + ":" + std::to_string(line) + ": " + message);
}

std::string shorten(const std::string& text) { return text.size() <= 40 ? text : text.substr(0, 40) + "..."; }

// Label names to indices.
class LabelIndex {
 public:
  explicit LabelIndex(const std::vector<std::string>& labels) : labels_(labels) {
    for (const std::string& label : labels) numeric_ = numeric_ || as_number(label);
  }
  int find(const std::filesystem::path& file, std::size_t line, const std::string& label) const {
    const auto at = std::find(labels_.begin(), labels_.end(), label);
    if (at != labels_.end()) return static_cast<int>(at - labels_.begin());
    if (const auto number = as_number(label); !numeric_ && number && *number < labels_.size()) {
      return static_cast<int>(*number);
    }
    std::string known;
    for (const std::string& l : labels_) {
      if (known.size() > 200) {
        known += ", ...";
        break;
      }
      known += (known.empty() ? "" : ", ") + l;
    }
    fail(file, line,
         "label \"" + shorten(label) + "\" is none of " + known +
             (numeric_ ? "" : ", nor a number from 0 to " + std::to_string(labels_.size() - 1)));
  }

 private:
  const std::vector<std::string>& labels_;
  bool numeric_ = false;
};

double value_of(const std::filesystem::path& file, std::size_t line, const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    fail(file, line, "\"" + shorten(text) + "\" is not a number; a regression needs one in the label column");
  }
  return value;
}

}  // namespace

const char* name(Metric metric) {
  switch (metric) {
    case Metric::accuracy:
      return "accuracy";
    case Metric::f1:
      return "f1";
    case Metric::matthews:
      return "matthews";
    case Metric::pearson:
      return "pearson";
    case Metric::spearman:
      return "spearman";
    case Metric::entity_f1:
      return "entity_f1";
  }
  return "metric";
}

Format format_of(const std::filesystem::path& file) {
  const std::string extension = file.extension().string();
  if (extension == ".tsv") return Format::tsv;
  if (extension == ".csv") return Format::csv;
  if (extension == ".jsonl" || extension == ".json") return Format::jsonl;
  if (extension == ".conll") return Format::conll;
  throw Error(ErrorCode::usage, "the name of " + file.string() +
                                    " does not say its format (.tsv, .csv, .jsonl, .conll); say it with --format");
}

std::vector<std::string> labels_of(const std::filesystem::path& file, const TaskSpec& task) {
  std::vector<std::string> labels;
  std::set<std::string> seen;
  const auto add = [&](std::size_t line, const std::string& label) {
    if (!seen.insert(label).second) return;
    if (label.empty()) fail(file, line, "an empty label");
    labels.push_back(label);
    if (labels.size() > kMaxLabels) {
      fail(file, line,
           "more than " + std::to_string(kMaxLabels) +
               " different labels; is this the right column, or is the task a regression?");
    }
  };
  bool iob = true;
  each(file, task, [&](const Raw& raw) {
    if (task.kind != Task::token_classification) return add(raw.line, raw.label);
    iob = iob && are_iob(raw.tags);
    for (const std::string& tag : raw.tags) add(raw.line, tag);
  });
  if (task.kind == Task::token_classification && iob) {  // IOB2, whatever the file has
    std::vector<std::string> both = {"O"};
    for (const std::string& tag : labels) {
      if (tag == "O" || std::find(both.begin(), both.end(), "B" + tag.substr(1)) != both.end()) continue;
      both.push_back("B" + tag.substr(1));
      both.push_back("I" + tag.substr(1));
    }
    labels = std::move(both);
  } else if (std::all_of(labels.begin(), labels.end(), [](const std::string& l) { return as_number(l).has_value(); })) {
    std::sort(labels.begin(), labels.end(),
              [](const std::string& a, const std::string& b) { return *as_number(a) < *as_number(b); });
  }
  if (labels.size() < kMinLabels || labels.size() > kMaxLabels) {
    throw Error(ErrorCode::input, file.string() + ": " + std::to_string(labels.size()) +
                                      " different labels in column \"" + task.columns.label +
                                      "\"; a classifier needs " + std::to_string(kMinLabels) + " to " +
                                      std::to_string(kMaxLabels));
  }
  return labels;
}

std::vector<Example> read_examples(const std::filesystem::path& file, const TaskSpec& task) {
  const LabelIndex index(task.labels);
  const bool iob = are_iob(task.labels);
  std::vector<Example> examples;
  each(file, task, [&](Raw raw) {
    Example& example = examples.emplace_back();
    example.text = std::move(raw.text);
    if (!task.columns.pair.empty()) example.pair = std::move(raw.pair);
    example.words = std::move(raw.words);
    example.value = std::numeric_limits<double>::quiet_NaN();
    if (task.columns.label.empty()) return;
    switch (task.kind) {
      case Task::classification:
        example.label = index.find(file, raw.line, raw.label);
        break;
      case Task::regression:
        example.value = value_of(file, raw.line, raw.label);
        break;
      case Task::token_classification:
        if (iob && are_iob(raw.tags)) make_iob2(raw.tags);
        for (const std::string& tag : raw.tags) example.tags.push_back(index.find(file, raw.line, tag));
        break;
    }
  });
  return examples;
}

}  // namespace thex::data
