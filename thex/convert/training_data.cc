#include "thex/convert/training_data.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <unordered_set>

#include "thex/base/error.h"
#include "thex/cli/layout_options.h"
#include "thex/convert/augment.h"
#include "thex/convert/calibrate.h"
#include "thex/convert/checkpoint.h"
#include "thex/data/texts.h"

namespace thex::convert {

void require_examples(const data::TaskSpec& spec, const DataSet& train, bool learned, const std::string& file) {
  if (train.size() < kLeastExamples)
    throw Error(ErrorCode::input, file + ": " + std::to_string(train.size()) +
                                      " training examples are too few, at least " + std::to_string(kLeastExamples) +
                                      " are needed and some hundreds are useful");
  if (!learned || spec.kind != model::Task::classification) return;
  std::vector<std::size_t> count(spec.labels.size());
  for (const Sentence& s : train)
    if (s.label >= 0) ++count.at(static_cast<std::size_t>(s.label));
  for (std::size_t label = 0; label < count.size(); ++label)
    if (count[label] < kLeastOfLabel)
      throw Error(ErrorCode::input, file + ": label \"" + spec.labels[label] + "\" has " +
                                        std::to_string(count[label]) + " of the " + std::to_string(train.size()) +
                                        " training examples, at least " + std::to_string(kLeastOfLabel) +
                                        " are needed to learn it: add some, or leave the label out");
}

TaskData load_task(CommonArguments& a, const ResolvedTask& task, const text::Tokenizer& tokenizer, bool learned,
                   const Log& log) {
  log(describe(task.spec));
  TaskData data;
  const auto load = [&](const std::filesystem::path& file) {
    data::ReadCounts counts;
    DataSet set = load_data(file, task, tokenizer, a.max_length, &counts);
    if (const std::string note = cli::reading_note(counts, "examples"); !note.empty()) log(file.string() + ": " + note);
    data.counts.examples += counts.examples;
    data.counts.empty += counts.empty;
    data.counts.skipped_empty += counts.skipped_empty;
    return set;
  };
  DataSet train = data::is_texts(a.train, task.spec.kind) ? load_texts({a.train}, task.spec, tokenizer, a.max_length)
                                                          : load(a.train);
  require_examples(task.spec, train, learned, a.train.string());
  if (a.held_out == 0) a.held_out = std::clamp<std::size_t>(train.size() / 10, 1, 2000);
  const bool phrases = task.spec.kind == model::Task::classification && task.spec.columns.pair.empty();
  data.spec = task.spec;
  data.max_length = a.max_length;
  data.split = hold_out(std::move(train), a.held_out, a.seed, phrases ? 0.3 : 0);
  data.dev = load(a.dev);
  log("train " + std::to_string(data.split.train.size()) + ", held out " + std::to_string(data.split.held_out.size()) +
      (phrases ? " (" + std::to_string(data.split.held_out_long) + " long)" : "") + ", left out as overlapping " +
      std::to_string(data.split.dropped) + ", dev " + std::to_string(data.dev.size()));
  if (data.split.train.size() + data.split.held_out.size() < kLeastExamples)
    throw Error(ErrorCode::input, a.train.string() + ": " + std::to_string(data.split.dropped) + " of " +
                                      std::to_string(data.split.dropped + data.split.train.size()) +
                                      " training examples repeat one of the " +
                                      std::to_string(data.split.held_out.size()) +
                                      " that are held out, too few others are left: add different ones");
  return data;
}

DataSet load_texts(const std::vector<std::filesystem::path>& files, const data::TaskSpec& spec,
                   const text::Tokenizer& tokenizer, int max_length) {
  DataSet out;
  for (const std::filesystem::path& file : files) {
    const auto texts = data::read_texts(file, spec.kind, !spec.columns.pair.empty());
    DataSet set = tokenize(texts, spec.kind, tokenizer, max_length);
    out.insert(out.end(), std::make_move_iterator(set.begin()), std::make_move_iterator(set.end()));
  }
  return out;
}

void add_texts(TaskData& data, const std::vector<std::filesystem::path>& files, const text::Tokenizer& tokenizer,
               const Log& log) {
  std::unordered_set<std::string> judged;
  for (const DataSet* set : {&data.split.held_out, &data.dev})
    for (const Sentence& s : *set) judged.insert(s.text);
  data.texts = load_texts(files, data.spec, tokenizer, data.max_length);
  const std::size_t all = data.texts.size();
  std::erase_if(data.texts, [&](const Sentence& s) { return judged.count(s.text) > 0; });
  if (all > 0)
    log("more texts " + std::to_string(data.texts.size()) + ", left out as held out or in the dev set " +
        std::to_string(all - data.texts.size()));
}

void label_by(const EncoderModule& teacher, DataSet& data, const Log& log) {
  if (by_token(teacher.config.task)) throw Error(ErrorCode::usage, "words have no label each from a text alone");
  const torch::Tensor table = predict(teacher, data, log), best = table.argmax(-1).contiguous();
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (teacher.config.task == model::Task::regression) {
      data[i].value = table[static_cast<std::int64_t>(i)][0].item<double>();
    } else {
      data[i].label = static_cast<int>(best.data_ptr<std::int64_t>()[i]);
    }
  }
}

void require_segments(const TaskData& data, const model::ModelConfig& config, const std::string& folder) {
  if (config.type_vocab == 0) return;
  for (const DataSet* set : {&data.split.train, &data.split.held_out, &data.dev})
    for (const Sentence& s : *set)
      for (const std::int64_t type : s.types)
        if (type >= config.type_vocab)
          throw Error(ErrorCode::model, folder + "/config.json: type_vocab_size " + std::to_string(config.type_vocab) +
                                            " has no embedding for the second text of a pair: use a model with 2 token "
                                            "types, or single texts (without --pair-column)");
}

std::string data_fingerprint(const CommonArguments& a, const ResolvedTask& task) {
  std::string text = fingerprint_of_file(a.train) + "/" + fingerprint_of_file(a.dev) + "/" + describe(task.spec) + "/" +
                     task.file.columns.text + "/" + task.file.columns.pair + "/" + task.file.columns.label + "/" +
                     std::to_string(static_cast<int>(task.file.format)) + "/" + std::to_string(a.held_out) + "/" +
                     std::to_string(a.max_length) + "/" + std::to_string(a.seed) +
                     (task.file.skip_empty ? "/without empty texts" : "") +
                     (data::is_texts(a.train, task.spec.kind) ? "/texts" : "");
  for (int label : task.to_model) text += "," + std::to_string(label);
  return fingerprint_of_text(text);
}

void add_variants(DataSet& train, std::size_t count, const torch::Tensor& words, const text::Tokenizer& tokenizer,
                  int max_length, std::uint64_t seed) {
  AugmentOptions more;
  more.count = count;
  more.seed = seed;
  more.max_length = static_cast<std::size_t>(max_length);
  const DataSet extra = augment(train, words, replaceable_words(tokenizer), more);
  train.insert(train.end(), extra.begin(), extra.end());
}

void add_long_examples(DataSet& train, std::size_t max_length, std::uint64_t seed) {
  const DataSet examples = train;
  for (std::size_t part = 1; part <= 4; ++part) {
    DataSet joined =
        join_to_length(examples, examples.size() / 32, std::max<std::size_t>(8, max_length * part / 4), seed + part);
    for (Sentence& s : joined) {
      s.label = -1;
      s.value = std::numeric_limits<double>::quiet_NaN();
    }
    train.insert(train.end(), joined.begin(), joined.end());
  }
}

}  // namespace thex::convert
