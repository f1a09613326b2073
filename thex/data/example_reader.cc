#include "thex/data/example_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <system_error>

#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/base/file_format.h"
#include "thex/base/json.h"

namespace thex::data {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// The words between blanks, or the elements of a JSON array.
std::vector<std::string> list_of(Cell cell) {
  if (cell.list) return *std::move(cell.list);
  std::vector<std::string> out;
  std::string word;
  for (const char c : cell.text + " ") {
    if (c != ' ') {
      word.push_back(c);
    } else if (!word.empty()) {
      out.push_back(std::move(word));
      word.clear();
    }
  }
  return out;
}

std::string text_of(const Cell& cell, const LineReader& lines, std::size_t line, const std::string& what) {
  if (cell.list) lines.fail_at(line, "the " + what + " is an array, not a text");
  return cell.text;
}

// Where the texts stand in files of the task that have no labels.
Columns without_labels(const TaskSpec& task) {
  Columns columns = task.unlabelled.value_or(task.columns);
  columns.label.clear();
  return columns;
}

std::vector<std::string> columns_of(const Columns& columns) {
  std::vector<std::string> out{columns.text};
  if (!columns.pair.empty()) out.push_back(columns.pair);
  if (!columns.label.empty()) out.push_back(columns.label);
  return out;
}

}  // namespace

ExampleReader::ExampleReader(std::istream& stream, const std::string& name, const TaskSpec& task)
    : lines_(stream, name),
      kind_(task.kind),
      pairs_(!task.columns.pair.empty()),
      labelled_(!task.columns.label.empty()),
      skip_empty_(task.skip_empty),
      labels_(task.kind == model::Task::regression ? std::vector<std::string>{} : task.labels) {
  const bool tokens = kind_ == model::Task::token_classification;
  if (task.columns.text.empty()) throw Error(ErrorCode::usage, "the task names no column of the text");
  if (tokens && pairs_) throw Error(ErrorCode::usage, "token classification takes single sentences, no pairs");
  if (labelled_ && kind_ != model::Task::regression && task.labels.empty()) {
    throw Error(ErrorCode::usage, "the task names no labels");
  }
  if (tokens) scheme_ = scheme_of(task.labels);
  if (task.format != Format::conll && task.format != Format::conllu) {
    const bool otherwise = !labelled_ && task.unlabelled;
    table_.emplace(lines_, task.format, columns_of(task.columns), task.columns.header, task.columns.skip_short,
                   otherwise ? columns_of(*task.unlabelled) : std::vector<std::string>{});
    if (labelled_) table_->set_unlabelled(columns_of(without_labels(task)));
  } else if (tokens) {
    conll_.emplace(lines_, columns_of(task.columns),
                   task.format == Format::conllu ? ConllReader::Style::conllu : ConllReader::Style::conll2003);
  } else {
    throw Error(ErrorCode::usage,
                "the CoNLL format is one of tagged words: it needs a token classification task; texts " +
                    std::string("are read from tsv, csv, json and jsonl files (--format)"));
  }
}

int ExampleReader::label_of(const std::string& text) const {
  const auto label = labels_.find(text);
  if (!label) lines_.fail_at(line_, "label " + in_quotes(text) + " is none of " + labels_.allowed());
  return *label;
}

// Tags by name or index, of any scheme, as tags of the task's scheme.
void ExampleReader::convert(std::vector<std::string>& tags) const {
  for (std::string& tag : tags) {
    if (const auto named = labels_.name_of(tag)) tag = *named;
    if (!is_tag(tag)) label_of(tag);
  }
  tags = tags_of(entities_of(tags), tags.size(), *scheme_,
                 [&](const std::string& tag) { return labels_.find(tag).has_value(); });
}

void ExampleReader::fill_words(Example& example, std::vector<std::string> words, std::vector<std::string> tags) {
  if (labelled_) {
    if (words.size() != tags.size()) {
      lines_.fail_at(line_, "the sentence has " + std::to_string(words.size()) + " words and " +
                                std::to_string(tags.size()) + " tags; every word needs one");
    }
    if (scheme_) {
      observed_.add(tags);
      convert(tags);
    }
    for (const std::string& tag : tags) example.tags.push_back(label_of(tag));
  }
  example.words = std::move(words);
}

bool ExampleReader::read_sentence(Example& example) {
  Sentence sentence;
  if (!conll_->next(sentence)) return false;
  line_ = sentence.line;
  fill_words(example, std::move(sentence.columns[0]),
             labelled_ ? std::move(sentence.columns[1]) : std::vector<std::string>{});
  return true;
}

bool ExampleReader::read(Example& example) {
  example.value = kNone;
  if (conll_) return read_sentence(example);
  Row row;
  if (!table_->next(row)) return false;
  line_ = row.line;
  if (kind_ == model::Task::token_classification) {
    fill_words(example, list_of(std::move(row.cells[0])),
               labelled_ ? list_of(std::move(row.cells[1])) : std::vector<std::string>{});
    return true;
  }
  example.text = text_of(row.cells[0], lines_, line_, "text");
  if (pairs_) example.pair = text_of(row.cells[1], lines_, line_, "second text");
  if (!labelled_) return true;
  const std::string label = text_of(row.cells.back(), lines_, line_, "label");
  if (kind_ == model::Task::classification) {
    example.label = label_of(label);
  } else if (const auto value = parse_value(label)) {
    example.value = *value;
  } else {
    lines_.fail_at(line_, "value " + in_quotes(label) + " is not a number; a regression needs one for every text");
  }
  return true;
}

std::optional<Example> ExampleReader::next() {
  for (;;) {
    Example example;
    const bool any = read(example);
    if (table_) counts_.skipped_short = table_->skipped();
    if (!any) return std::nullopt;
    const bool empty = kind_ == model::Task::token_classification
                           ? std::all_of(example.words.begin(), example.words.end(), is_blank)
                           : is_blank(example.text) || (example.pair && is_blank(*example.pair));
    if (empty && skip_empty_) {
      ++counts_.skipped_empty;
      continue;
    }
    ++counts_.examples;
    counts_.empty += empty;
    return example;
  }
}

std::ifstream open_data_file(const std::filesystem::path& file) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) {
    throw Error(ErrorCode::file, file.string() + " is a folder, not a data file");
  }
  // A pipe is read as it comes, once; only a regular file can be looked at before.
  if (std::filesystem::is_regular_file(file, error)) {
    if (const auto meaning = foreign_data_format(file_beginning(file)))
      throw Error(ErrorCode::file, file.string() + " is " + *meaning);
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw Error(ErrorCode::file, "cannot open " + file.string() + ": " + std::strerror(errno));
  return stream;
}

std::vector<Example> read_examples(const std::filesystem::path& file, const TaskSpec& task, ReadCounts* counts) {
  std::ifstream stream = open_data_file(file);
  ExampleReader reader(stream, file.string(), task);
  std::vector<Example> out;
  while (auto example = reader.next()) out.push_back(*std::move(example));
  if (counts) *counts = reader.counts();
  if (out.empty()) throw Error(ErrorCode::input, file.string() + ": no examples; is the file complete?");
  return out;
}

}  // namespace thex::data
