// What a conversion did and whether its result is good enough: one plain record, filled while the workflow runs and
// written as report.json (for programs) and report.html (for people). No type of libtorch, so that it can be tested and
// read without it.
//
// Metrics are times 100 (per cent, or a correlation times 100), as convert/score.h gives them; times are seconds; sizes
// are bytes. What was not measured, or does not exist by the model's protocol, stays zero or empty and is left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "thex/encoder/inference_plan.h"
#include "thex/model/config.h"

namespace thex::convert {

using Metrics = std::map<std::string, double>;  // by name: "accuracy", "f1", ..

struct ReportData {
  std::size_t train = 0, held_out = 0, dev = 0;  // examples
  std::size_t held_out_long = 0;                 // the longest of the held-out examples, scored on their own too
  std::size_t dropped = 0;                       // training examples that overlap with others
  std::size_t augmented = 0;                     // variants labelled by the teacher, part of `train`
  std::size_t empty = 0;                         // examples of all files with an empty text, part of them
  std::size_t skipped_empty = 0;                 // left out for that reason
};

struct ReportStage {
  std::string name, what;
  Metrics held_out, dev;
  double held_out_long = 0;  // the first metric of the longest examples; 0: none
  double seconds = 0;
  // Every example of the set got the same label, though they have different ones.
  bool held_out_one_answer = false, dev_one_answer = false;
};

// The losses and the score of one epoch of one training.
struct CurvePoint {
  std::string stage;
  int epoch = 0;        // from 1 in each stage
  double loss = 0;      // mean training loss
  double held_out = 0;  // the first metric
  int restarts = 0;     // times that it diverged and was begun again, at half the rate
};

// The numbers at one point of one layer over the calibration data: root mean square, largest absolute value, and the
// absolute values that half, 99 % and 99.9 % of them stay below.
struct ReportRange {
  int layer = 0;      // from 0
  std::string point;  // "score u", "FFN", ..
  double rms = 0, max = 0, p50 = 0, p99 = 0, p999 = 0;
};

// How well the reciprocal network T fits (convert/softmax_estimation.h).
struct EstimationFit {
  double min_sum = 0, max_sum = 0;  // the range of sums that it was fitted for
  double mse_true_softmax = 0, mse_exact_reciprocal = 0, mse_reciprocal_part = 0;
  double worst_relative = 0;  // largest |T(S) S - 1| on that range
};

// What a query costs in one length bucket, of one sentence or of a batch.
struct BucketBudget {
  int tokens = 0, sentences = 1, levels = 0;
  std::optional<double> logit_bits;  // predicted, behind the binary point
  double estimated_seconds = 0;      // server, one thread
  std::size_t bytes_to_server = 0, bytes_to_client = 0, weight_bytes = 0;
  std::size_t rotations = 0, ciphertext_products = 0, plain_products = 0, rescales = 0;
};

// What the converted model needs under encryption (`thex inspect`).
struct PlanBudget {
  std::string protocol, fingerprint;
  int rounds = 0, security_bits = 0, log_n = 0, levels = 0, log_scale = 0, digit_limbs = 0;
  double log_qp = 0;
  std::vector<int> q_bits, p_bits;
  std::size_t rotation_keys = 0, key_bytes_wire = 0, key_bytes_memory = 0;
  std::optional<double> statistical_bits;  // of what the client sees under masks, where it refreshes
  std::size_t peak_memory = 0;             // of a server like this machine with one client
  std::vector<BucketBudget> buckets;
  std::vector<encoder::LedgerEntry> ledger;
};

// The answer to "can I use it?".
struct Verdict {
  enum class Level { good, within_noise, small_loss, large_loss, unknown };
  Level level = Level::unknown;
  std::string metric;               // the metric that was judged, "accuracy"
  std::string set;                  // "dev", or "held-out" when there is no dev set
  double before = 0, after = 0;     // the plain model and the converted one
  double drop = 0;                  // before - after; negative: the converted model is better
  double standard_error = 0;        // of the drop, paired by example, where it was measured; else of a single score
  std::optional<double> agreement;  // with the plain model on the dev set, where it was measured
  std::string summary;              // one sentence, and one about the agreement
  std::vector<std::string> steps;   // what to do next, in the order to try
};

// How far the held-out and dev examples go beyond the calibrated ranges.
struct UnseenRanges {
  std::size_t examples = 0;
  double ratio = 0;   // the largest, of a value to the calibrated one
  std::string where;  // "layer 1, ffn"
  double room = 0;    // how much larger than calibrated decrypted values may be; 0: there is no plan
};

struct ConversionReport {
  std::string name;    // of the model folder
  std::string source;  // the plain model's folder
  model::ModelConfig config;
  std::string task;                  // "sst2", "custom"
  std::vector<std::string> metrics;  // names, the first one chooses between epochs
  std::string positive_label;        // two classes: the one that f1 counts; else empty
  ReportData data;
  std::vector<std::pair<std::string, std::string>> options;  // in the order to show
  std::uint64_t seed = 0;
  std::vector<ReportStage> stages;  // the first one is the plain model, the last one the converted model
  std::vector<CurvePoint> curves;   // in the order of training
  std::vector<ReportRange> ranges;  // by layer
  double max_relu_input = 0;        // by the-x, whose client decrypts them; else 0
  double max_logit = 0;
  std::optional<UnseenRanges> unseen;
  std::optional<EstimationFit> estimation;
  // The exported model computed in double precision by thex::model: its first metric on the dev set, and the largest
  // difference of a logit from libtorch's.
  std::optional<double> reference_metric, reference_difference;
  double dev_standard_error = 0;  // of the first metric's change, paired by example; 0: judge() estimates a score's
  std::optional<double> dev_agreement;  // with the plain model: per cent of equal labels, or the correlation of values
  double seconds = 0;                   // the whole conversion
  std::optional<PlanBudget> plan;
  std::string no_plan;  // why there is none
  // The model's digest (model/digest.h), which queries and answers name; empty without a plan. Its parts by name.
  std::string model_digest;
  std::vector<std::pair<std::string, std::string>> part_digests;
  Verdict verdict;

  // The protocol that the converted model is for; nothing before `config` is that of a converted one.
  std::optional<model::Protocol> protocol() const {
    const std::vector<model::Protocol> all = config.protocols();
    return all.empty() ? std::nullopt : std::optional(all.front());
  }
  // The value of an option, or "".
  std::string option(const std::string& name) const;
};

// The costs and the ledger of a converted model; the plan itself is made by encoder::plan_inference.
PlanBudget budget_of(const model::ModelConfig& config, const encoder::InferencePlan& plan);

// The verdict from the first and the last stage, by the report's first metric on the dev set (on the held-out set where
// the dev set is empty).
Verdict judge(const ConversionReport& report);

// The text of each file. Values that are not finite are null in JSON. The page is one file without scripts and without
// references to anything outside of it; every string from outside is escaped.
std::string report_json(const ConversionReport& report);
std::string report_html(const ConversionReport& report);

}  // namespace thex::convert
