#include "thex/convert/conversion_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "thex/base/error.h"
#include "thex/base/hex.h"
#include "thex/model/digest.h"

namespace thex::convert {
namespace {

// The largest difference of an output, between the trained model and the exported one, that is put down to rounding.
constexpr double kAgreement = 1e-2;
// Outputs beyond these are none of a trained classifier, and single precision has too few digits for them.
constexpr double kLargestOutput = 1000, kLargestExcess = 2 * encoder::kRangeMargin;

template <typename... Values>
std::string format(const char* pattern, Values... values) {
  char text[400];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

constexpr model::ModelPart kParts[] = {model::ModelPart::weights, model::ModelPart::embeddings,
                                       model::ModelPart::tokenizer, model::ModelPart::labels};

std::vector<std::pair<std::string, std::string>> option_rows(const ConvertArguments& a, const WorkflowOptions& o,
                                                             std::size_t variants) {
  auto rows = report_rows(o);
  const auto add = [&](const char* name, std::string value) { rows.emplace_back(name, std::move(value)); };
  add("seed", std::to_string(a.seed));
  add("quick", a.quick ? "yes" : "no");
  add("held_out", std::to_string(a.held_out));
  add("max_length", std::to_string(a.max_length));
  add("augment", std::to_string(variants));
  add("teacher", o.profile == Profile::paper ? "none" : a.teacher.empty() ? "the plain model" : a.teacher.string());
  add("device", a.device);
  add("threads", std::to_string(a.threads));
  add("backbone", a.backbone ? "yes" : "no");
  if (a.backbone)
    for (auto& row : option_values(fine_tune_option_rows(), a.plain, "plain_")) rows.push_back(std::move(row));
  return rows;
}

}  // namespace

ConversionReport report_of(const WorkflowResult& r, const ConvertArguments& a, const WorkflowOptions& o,
                           const TaskData& data, std::size_t variants) {
  ConversionReport report;
  report.name = a.out.filename().string();
  report.source = a.model.string();
  report.task = data.spec.name;
  for (data::Metric metric : data.spec.metrics) report.metrics.push_back(data::name(metric));
  report.positive_label = data.spec.positive;
  report.data = {data.split.train.size(),  data.split.held_out.size(), data.dev.size(),
                 data.split.held_out_long, data.split.dropped,         variants,
                 data.counts.empty,        data.counts.skipped_empty};
  report.options = option_rows(a, o, variants);
  report.seed = a.seed;
  const bool with_long = data.split.held_out_long > 1;
  for (const StageRow& s : r.stages) {
    report.stages.push_back({s.name, s.what, s.held_out.metrics, s.dev.metrics, with_long ? s.held_out.metric_long : 0,
                             s.seconds, s.held_out.one_answer, s.dev.one_answer});
    for (const EpochPoint& p : s.curve) report.curves.push_back({s.name, p.epoch, p.loss, p.held_out, p.restarts});
  }
  for (std::size_t l = 0; l < r.ranges.layers.size(); ++l)
    for (const auto& [name, m] : named(r.ranges.layers[l], r.module.softmax))
      report.ranges.push_back({static_cast<int>(l), name, m.rms, m.max, m.p50, m.p99, m.p999});
  report.max_relu_input = row_of(o.protocol).client_sees_values ? r.ranges.max_relu_input() : 0;
  report.max_logit = r.ranges.logit;
  const Excess excess = largest_excess(r.ranges, r.unseen);
  report.unseen = UnseenRanges{data.split.held_out.size() + data.dev.size(), excess.ratio, excess.where, 0};
  const EstimationReport& e = r.estimation_report;
  if (row_of(o.protocol).softmax == model::Softmax::estimation)
    report.estimation = {r.estimation.min_sum,   r.estimation.max_sum,  e.mse_true_softmax,
                         e.mse_exact_reciprocal, e.mse_reciprocal_part, e.worst_relative};
  return report;
}

void add_plan(ConversionReport& report, const model::Model& model, const text::Tokenizer& tokenizer, int max_length,
              const Log& log) {
  report.config = model.config;
  const model::ModelDigests digests = model::model_digests(model, &tokenizer, {});  // all is in memory
  for (const model::ModelPart part : kParts)
    report.part_digests.emplace_back(model::name_of(part), hex(*digests.of(part)));
  try {
    const encoder::InferencePlan plan = encoder::plan_inference(model.config, max_length);
    report.plan = budget_of(model.config, plan);
    report.model_digest = hex(model::model_digest(plan.fingerprint, digests));
    report.unseen->room = plan.largest_value() / model.config.thex->largest_decrypted(plan.protocol);
    log(format("held-out and dev examples reach %.2f times the ranges (%s); decrypted values have room for %.1f times",
               report.unseen->ratio, report.unseen->where.c_str(), report.unseen->room));
  } catch (const Error& e) {
    report.no_plan = e.what();
    log(std::string("warning: no plan for encrypted inference: ") + e.what());
  }
}

std::string stage_table(const WorkflowResult& r, const data::TaskSpec& spec) {
  std::string text = format("\n%-20s %10s %10s %10s  %s   (%s, in per cent)\n", "stage", "dev", "held-out", "change",
                            "what", data::name(spec.metrics.front()));
  for (const StageRow& s : r.stages)
    text += format("%-20s %10.2f %10.2f %+10.2f  %s\n", s.name.c_str(), s.dev.metric, s.held_out.metric,
                   s.dev.metric - r.stages.front().dev.metric, s.what.c_str());
  const Ranges& g = r.ranges;
  text += format(
      "\nranges: scores %.2f, coefficients %.1f, their sums %.3g..%.1f, P.V %.2f, FFN %.1f, hidden %.1f, logits %.2f",
      g.u, g.cube, g.min_sum, g.sum, g.context, g.ffn, g.hidden, g.logit);
  if (r.module.softmax == model::Softmax::estimation)
    text += format(", T %.1f and %.1f; largest ReLU input %.1f", g.t1, g.t2, g.max_relu_input());
  return text + "\n";
}

void require_agreement(const Agreement& agreement, const WorkflowResult& r, std::size_t examples, const char* longer) {
  const double difference = agreement.largest_difference;
  if (difference < kAgreement) return;
  const Excess excess = largest_excess(r.ranges, r.unseen);
  const double largest = std::max(r.ranges.logit, r.unseen.logit);
  if (std::isfinite(difference) && excess.ratio <= kLargestExcess && largest <= kLargestOutput)
    throw Error(ErrorCode::internal,
                format("the exported model does not compute what was trained: an output differs by %.1e on %zu dev "
                       "examples",
                       difference, agreement.count));
  throw Error(ErrorCode::input,
              format("values of the converted model left the range that it was calibrated for: outputs reach %.3g, and "
                     "at %s held-out and dev examples are %.3g times as large as in calibration. ",
                     largest, excess.where.c_str(), excess.ratio) +
                  format("It has learned too little: add training examples (%zu are there), train longer (%s), or "
                         "lower --rate",
                         examples, longer));
}

}  // namespace thex::convert
