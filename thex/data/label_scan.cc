// Which labels a file uses.
#include <algorithm>
#include <unordered_set>

#include "thex/base/error.h"
#include "thex/base/json.h"
#include "thex/data/example_reader.h"
#include "thex/data/tags.h"

namespace thex::data {
namespace {

// Names, each once; refuses more than model::kMaxLabels as soon as they are seen.
class Names {
 public:
  void add(const std::string& name, const std::string& origin) {
    if (!seen_.insert(name).second) return;
    names_.push_back(name);
    if (names_.size() > model::kMaxLabels) {
      throw Error(ErrorCode::input, origin + ": more than " + std::to_string(model::kMaxLabels) +
                                        " labels, the last one is " + in_quotes(name) +
                                        "; is this the column of the labels?");
    }
  }
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
  std::unordered_set<std::string> seen_;
};

}  // namespace

std::vector<std::string> labels_of(const std::filesystem::path& file, const TaskSpec& task) {
  if (task.kind == model::Task::regression) throw Error(ErrorCode::usage, "a regression has values, no labels");
  if (task.columns.label.empty()) throw Error(ErrorCode::usage, "the task names no column of the labels");
  std::ifstream stream = open_data_file(file);
  // The labels are read as texts: the label column as the text of an unlabelled task.
  TaskSpec texts = task;
  texts.columns.text = task.columns.label;
  texts.columns.label.clear();
  texts.columns.pair.clear();
  texts.unlabelled.reset();
  texts.skip_empty = false;
  ExampleReader reader(stream, file.string(), texts);
  Names raw, converted;
  bool any = false;
  while (auto example = reader.next()) {
    any = true;
    if (task.kind == model::Task::classification) {
      raw.add(example->text, reader.origin());
      continue;
    }
    for (const std::string& tag : example->words) raw.add(tag, reader.origin());
    if (std::all_of(example->words.begin(), example->words.end(), is_tag)) {
      example->words = tags_of(entities_of(example->words), example->words.size(), TagScheme{});
    }
    for (const std::string& tag : example->words) converted.add(tag, reader.origin());
  }
  if (!any) throw Error(ErrorCode::input, file.string() + ": no examples; is the file complete?");
  // Tags of B, I and O are learnt as IOB2; those of BIOES, which say more, as they are.
  const auto scheme = scheme_of(raw.names());
  const bool iob = task.kind == model::Task::token_classification && scheme && scheme->kind != TagScheme::Kind::bioes;
  const std::vector<std::string> names = in_label_order(iob ? converted.names() : raw.names());
  if (names.size() < 2) {
    throw Error(ErrorCode::input,
                file.string() + " has only the label " + quoted_list(names) + "; is this the column of the labels?");
  }
  return names;
}

}  // namespace thex::data
