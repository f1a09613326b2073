// Helpers of the tests in thex/data.
#pragma once

#include "tests/support/models.h"
#include "thex/base/file.h"
#include "thex/data/task.h"

namespace thex::data::testing {

using support::data_folder;
using support::error_of;
using support::TemporaryFolder;

// Files of one test.
class DataFiles : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    write_file_atomically(folder_.path() / name, text);
    return folder_.path() / name;
  }
  std::vector<Example> read(const TaskSpec& task, const std::string& text, const std::string& name = "x.tsv") const {
    return read_examples(write(name, text), task);
  }
  // The message of Error(input), without the folder's name.
  std::string rejection(const TaskSpec& task, const std::string& text, const std::string& name = "x.tsv") const {
    std::string message = error_of(ErrorCode::input, [&] { read(task, text, name); });
    const std::string folder = folder_.path().string() + "/";
    if (message.starts_with(folder)) message.erase(0, folder.size());
    return message;
  }
  TemporaryFolder folder_;
};

// Two classes, by the columns "sentence" and "label".
inline TaskSpec custom(Format format, std::vector<std::string> labels = {"no", "yes"}) {
  TaskSpec task;
  task.name = "custom";
  task.format = format;
  task.labels = std::move(labels);
  task.metrics = {Metric::accuracy};
  return task;
}

inline TaskSpec regression(Format format) {
  TaskSpec task = custom(format, {"score"});
  task.kind = model::Task::regression;
  task.metrics = {Metric::pearson};
  return task;
}

inline TaskSpec tagging(Format format, std::vector<std::string> labels) {
  TaskSpec task = custom(format, std::move(labels));
  task.kind = model::Task::token_classification;
  task.metrics = {Metric::entity_f1};
  task.columns = {"#1", "", "#2"};
  return task;
}

}  // namespace thex::data::testing
