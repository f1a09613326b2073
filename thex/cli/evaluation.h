// A model on a labelled file: in clear, with simulated noise, or through encrypted queries; and how two runs differ.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thex/cli/command.h"
#include "thex/data/example.h"
#include "thex/data/layout.h"
#include "thex/data/metrics.h"
#include "thex/model/model.h"
#include "thex/text/tokenizer.h"

namespace thex::cli {

// Where the two best logits of the clear model are closer than this, the encrypted run may decide differently.
inline constexpr double kMargin = 0.05;

struct EvaluationOptions {
  ModelOptions model;
  ServerOptions server;
  data::Layout task;
  std::string data;
  std::optional<std::size_t> limit;  // nothing: all examples
  bool one_by_one = false;           // encrypted: no batches
};

// What one mode made of every example.
struct EvaluationRun {
  std::vector<std::vector<double>> logits;  // labels; tokens x labels, row-major; or one value
  std::vector<double> seconds;              // encrypted: of each query, from the text to the answer
  std::uint64_t bytes_sent = 0, bytes_received = 0;
  std::optional<model::Protocol> protocol;  // none: the clear model
  int rounds = 0;
};

// Another run beside the clear one. Decisions are the classes of texts or words; a regression has none.
struct RunComparison {
  double max_logit_error = 0;
  std::size_t decisions = 0, equal = 0;
  std::size_t confident_disagreements = 0;  // other decisions where the clear margin exceeds kMargin
};

class Evaluation {
 public:
  // Reads model and data; texts that are too long are cut as in training. Throws Error(usage) when the task does not
  // fit the model.
  explicit Evaluation(const EvaluationOptions& options);

  EvaluationRun plain() const;
  EvaluationRun simulate() const;
  EvaluationRun encrypted() const;

  const data::TaskSpec& task() const { return task_; }
  std::size_t examples() const { return examples_.size(); }
  std::size_t words() const;  // token classification
  const data::ReadCounts& counts() const { return counts_; }
  // Token classification: the scheme of the file's tags ("IOB1"); empty where they are of none.
  const std::string& data_tag_scheme() const { return data_tag_scheme_; }
  // All metrics of the task. Words that were cut off or have no token count as outside of any entity.
  std::map<std::string, double> scores(const EvaluationRun& run) const;
  RunComparison compare(const EvaluationRun& clear, const EvaluationRun& other) const;

 private:
  struct Encoded {
    text::Encoding tokens;
    std::vector<std::optional<std::size_t>> first;  // token classification: the first token of each word
  };

  EvaluationRun empty() const;
  void match_labels(const model::ModelConfig& config);
  void read(const std::string& file);
  Encoded encode(const text::Tokenizer& tokenizer, const data::Example& example, int length) const;
  int best_label(std::span<const double> logits) const;  // in the task's order
  std::vector<std::span<const double>> decisions(const std::vector<double>& logits, std::size_t example) const;

  const EvaluationOptions& options_;
  std::filesystem::path folder_;
  int threads_;
  std::shared_ptr<const model::Model> model_;
  data::TaskSpec task_;
  std::vector<int> from_model_;  // the task's label for each output of the model
  int outside_ = 0;              // the label of words without tokens
  std::vector<data::Example> examples_;
  std::vector<Encoded> encodings_;
  data::ReadCounts counts_;
  std::string data_tag_scheme_;
};

}  // namespace thex::cli
