#include "thex/convert/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "thex/base/file.h"
#include "thex/circuit/accounting.h"
#include "thex/encoder/serving_memory.h"

namespace thex::convert {
namespace {

// Drops that are small whatever the size of the dev set, and that are large: points of the metric.
constexpr double kNegligible = 0.1, kLarge = 2;

// Of one score, from the number of examples alone: binomial for shares of right answers, Fisher's for correlations.
double standard_error(const std::string& metric, double score, std::size_t count) {
  if (count < 2) return 0;
  const double value = std::clamp(score / 100, -1.0, 1.0), n = static_cast<double>(count);
  if (metric == "pearson" || metric == "spearman") return 100 * (1 - value * value) / std::sqrt(n - 1);
  if (metric == "matthews") return 100 * std::sqrt((1 - value * value) / n);
  return 100 * std::sqrt(std::max(0.0, value * (1 - value)) / n);
}

// The stage that lost most of what no later stage brought back, on the held-out set: where to look first. Null when
// none lost more than half a point.
const ReportStage* costliest_stage(const ConversionReport& report, const std::string& metric) {
  const ReportStage* worst = nullptr;
  double most = 0.5, best_later = -INFINITY;
  for (std::size_t i = report.stages.size(); i-- > 1;) {
    const auto before = report.stages[i - 1].held_out.find(metric), after = report.stages[i].held_out.find(metric);
    if (after == report.stages[i].held_out.end()) continue;
    best_later = std::max(best_later, after->second);
    if (before == report.stages[i - 1].held_out.end()) continue;
    if (before->second - best_later > most) most = before->second - best_later, worst = &report.stages[i];
  }
  return worst;
}

// What a conversion that lost something can do otherwise; every option that is named exists for its profile.
std::vector<std::string> ways_to_lose_less(const ConversionReport& report, const Verdict& verdict) {
  std::vector<std::string> steps;
  if (report.option("quick") == "yes") steps.push_back("This was a first impression: repeat it without --quick.");
  // For masked rounds there is one training, of all that is replaced.
  const bool staged = report.option("protocol") != model::name_of(model::Protocol::masked_rounds);
  const ReportStage* const stage = staged ? costliest_stage(report, verdict.metric) : nullptr;
  if (stage != nullptr) {
    steps.push_back("Most was lost in the stage '" + stage->name + "' (" + stage->what +
                    "): give the stages more steps (--min-steps) or a lower learning rate (--rate) first.");
  }
  steps.push_back(std::string("Train longer: more ") + (staged ? "--min-steps and " : "") +
                  "--final-steps; the learning curves show whether they still rise.");
  if (report.option("profile") == "paper") {
    steps.push_back("Use what loses least: --profile default, which learns from a teacher in every stage.");
  } else {
    if (!staged)
      steps.push_back("Add texts of the same kind for the plain model to label (--texts); no labels are needed.");
    else if (report.data.augmented == 0)
      steps.push_back("Add variants of the training examples for the plain model to label (--augment).");
    steps.push_back(report.option("backbone") == "yes"
                        ? "Fine-tune the backbone longer (--plain-epochs): the converted model learns from it."
                        : "Distil from a larger fine-tuned model with the same vocabulary (--teacher).");
  }
  if (report.data.train - report.data.augmented < 5000) {
    steps.push_back("The training set is small (" + std::to_string(report.data.train - report.data.augmented) +
                    " examples): more examples help more than anything else.");
  }
  return steps;
}

std::vector<std::string> advice(const ConversionReport& report, const Verdict& verdict) {
  if (verdict.level == Verdict::Level::good) {
    return {
        "Use the model: check it under encryption with 'thex eval --mode simulate' and a sample with 'thex classify'."};
  }
  if (verdict.level == Verdict::Level::within_noise) {
    return {"Use the model, or repeat the conversion with another --seed to see how far results scatter.",
            "A larger dev set would tell a real loss from chance."};
  }
  return ways_to_lose_less(report, verdict);
}

}  // namespace

std::string ConversionReport::option(const std::string& wanted) const {
  for (const auto& [key, value] : options)
    if (key == wanted) return value;
  return "";
}

PlanBudget budget_of(const model::ModelConfig& config, const encoder::InferencePlan& plan) {
  const circuit::Plan& p = plan.circuits;
  PlanBudget budget;
  budget.protocol = name_of(plan.protocol);
  budget.fingerprint = plan.fingerprint;
  budget.rounds = plan.rounds;
  budget.security_bits = p.context->security_bits();
  budget.log_n = p.spec.log_n;
  budget.levels = p.context->max_level().number();
  budget.log_scale = p.spec.log_scale;
  budget.digit_limbs = p.spec.digit_limbs;
  budget.log_qp = p.context->log_qp();
  budget.q_bits.assign(p.spec.q_bits.begin(), p.spec.q_bits.end());
  budget.p_bits.assign(p.spec.p_bits.begin(), p.spec.p_bits.end());
  budget.rotation_keys = p.keys.rotations.size();
  budget.key_bytes_wire = p.key_bytes_wire;
  budget.key_bytes_memory = p.key_bytes_memory;
  budget.statistical_bits = plan.statistical_bits();
  budget.peak_memory = encoder::peak_memory_here(config, plan);
  for (std::size_t i = 0; i < plan.shapes.size(); ++i) {
    const circuit::ProgramPlan& program = p.program_plans[i];
    budget.buckets.push_back({.tokens = plan.shapes[i].tokens,
                              .sentences = plan.shapes[i].sentences,
                              .levels = program.depth.number(),
                              .logit_bits = plan.logit_bits(i),
                              .estimated_seconds = program.estimated_seconds,
                              .bytes_to_server = program.bytes_to_server,
                              .bytes_to_client = program.bytes_to_client,
                              .weight_bytes = circuit::plaintext_bytes(p.programs[i], program, p.spec),
                              .rotations = program.counts.rotations,
                              .ciphertext_products = program.counts.ciphertext_products,
                              .plain_products = program.counts.plain_products,
                              .rescales = program.counts.rescales});
  }
  budget.ledger = plan.ledger;
  return budget;
}

namespace {

Verdict::Level level_of(const Verdict& verdict) {
  const double noise = std::max(verdict.standard_error, kNegligible);
  return verdict.drop <= kNegligible ? Verdict::Level::good
         : verdict.drop <= noise     ? Verdict::Level::within_noise
         : verdict.drop <= kLarge    ? Verdict::Level::small_loss
                                     : Verdict::Level::large_loss;
}

// `count`: examples of the set that was judged.
std::string summary_of(const Verdict& verdict, std::size_t count) {
  const std::string scores = fmt::format("{} on the {} set: {:.2f} before, {:.2f} after", verdict.metric, verdict.set,
                                         verdict.before, verdict.after);
  if (verdict.level == Verdict::Level::good)
    return fmt::format("The converted model is as good as the plain one ({}).", scores);
  const std::string loss = fmt::format("The converted model loses {:.2f} points ({}), ", verdict.drop, scores);
  if (verdict.level == Verdict::Level::within_noise)
    return loss + fmt::format("which is within the noise of {} examples (standard error {:.2f}).", count,
                              verdict.standard_error);
  return loss + fmt::format("more than the noise of {} examples explains (standard error {:.2f}).", count,
                            verdict.standard_error);
}

}  // namespace

Verdict judge(const ConversionReport& report) {
  Verdict verdict;
  if (!report.metrics.empty()) verdict.metric = report.metrics.front();
  if (report.stages.size() < 2 || verdict.metric.empty()) {
    verdict.summary = "Too few stages were evaluated to compare the converted model with the plain one.";
    return verdict;
  }
  const bool dev = report.data.dev > 0;
  verdict.set = dev ? "dev" : "held-out";
  const std::size_t count = dev ? report.data.dev : report.data.held_out;
  const Metrics& before = dev ? report.stages.front().dev : report.stages.front().held_out;
  const Metrics& after = dev ? report.stages.back().dev : report.stages.back().held_out;
  const auto first = before.find(verdict.metric), last = after.find(verdict.metric);
  if (first == before.end() || last == after.end() || !std::isfinite(first->second) || !std::isfinite(last->second)) {
    verdict.summary = "The metric '" + verdict.metric + "' was not measured for both models.";
    return verdict;
  }
  verdict.before = first->second, verdict.after = last->second;
  verdict.drop = verdict.before - verdict.after;
  const ReportStage& plain = report.stages.front();
  if (dev ? plain.dev_one_answer : plain.held_out_one_answer) {
    verdict.summary = "The plain model gives every example of the " + verdict.set +
                      " set the same label, so there is nothing that a conversion could keep or lose.";
    verdict.steps = {"Fine-tune the plain model further, or on more examples, before it is converted."};
    return verdict;
  }
  verdict.standard_error = dev && report.dev_standard_error > 0 ? report.dev_standard_error
                                                                : standard_error(verdict.metric, verdict.after, count);
  verdict.level = level_of(verdict);
  verdict.summary = summary_of(verdict, count);
  verdict.agreement = report.dev_agreement;
  if (verdict.agreement)
    verdict.summary +=
        report.config.task == model::Task::regression
            ? fmt::format(" Its values correlate with the plain model's to {:.2f} %.", *verdict.agreement)
            : fmt::format(" It decides {:.2f} % as the plain model does.", *verdict.agreement);
  verdict.steps = advice(report, verdict);
  return verdict;
}

}  // namespace thex::convert
