// report.json: every field of a ConversionReport under its own name.
#include <nlohmann/json.hpp>

#include "thex/convert/report/report.h"

namespace thex::convert {
namespace {

using Json = nlohmann::ordered_json;

const char* level_name(Verdict::Level level) {
  switch (level) {
    case Verdict::Level::good:
      return "good";
    case Verdict::Level::within_noise:
      return "within_noise";
    case Verdict::Level::small_loss:
      return "small_loss";
    case Verdict::Level::large_loss:
      return "large_loss";
    case Verdict::Level::unknown:
      break;
  }
  return "unknown";
}

Json optional_number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json verdict_json(const Verdict& v) {
  return {{"level", level_name(v.level)},
          {"metric", v.metric},
          {"set", v.set},
          {"before", v.before},
          {"after", v.after},
          {"drop", v.drop},
          {"standard_error", v.standard_error},
          {"agreement", optional_number(v.agreement)},
          {"summary", v.summary},
          {"steps", v.steps}};
}

Json data_json(const ReportData& d) {
  return {{"train", d.train},
          {"held_out", d.held_out},
          {"held_out_long", d.held_out_long},
          {"dev", d.dev},
          {"dropped_as_overlapping", d.dropped},
          {"augmented", d.augmented},
          {"empty", d.empty},
          {"skipped_empty", d.skipped_empty}};
}

Json stages_json(const ConversionReport& r) {
  Json rows = Json::array();
  for (const ReportStage& s : r.stages) {
    rows.push_back({{"name", s.name},
                    {"what", s.what},
                    {"dev", s.dev},
                    {"held_out", s.held_out},
                    {"held_out_long", s.held_out_long},
                    {"dev_one_answer", s.dev_one_answer},
                    {"held_out_one_answer", s.held_out_one_answer},
                    {"seconds", s.seconds}});
  }
  return rows;
}

Json curves_json(const ConversionReport& r) {
  Json rows = Json::array();
  for (const CurvePoint& p : r.curves)
    rows.push_back(
        {{"stage", p.stage}, {"epoch", p.epoch}, {"loss", p.loss}, {"held_out", p.held_out}, {"restarts", p.restarts}});
  return rows;
}

Json ranges_json(const ConversionReport& r) {
  Json rows = Json::array();
  for (const ReportRange& p : r.ranges) {
    rows.push_back({{"layer", p.layer},
                    {"point", p.point},
                    {"rms", p.rms},
                    {"p50", p.p50},
                    {"p99", p.p99},
                    {"p999", p.p999},
                    {"max", p.max}});
  }
  return rows;
}

Json plan_json(const PlanBudget& p) {
  Json json{{"protocol", p.protocol},
            {"plan", p.fingerprint},
            {"rounds", p.rounds},
            {"statistical_bits", optional_number(p.statistical_bits)},
            {"peak_memory_bytes", p.peak_memory},
            {"security_bits", p.security_bits},
            {"parameters",
             {{"log_n", p.log_n},
              {"log_qp", p.log_qp},
              {"levels", p.levels},
              {"log_scale", p.log_scale},
              {"q_bits", p.q_bits},
              {"p_bits", p.p_bits},
              {"digit_limbs", p.digit_limbs}}},
            {"keys",
             {{"rotations", p.rotation_keys}, {"wire_bytes", p.key_bytes_wire}, {"memory_bytes", p.key_bytes_memory}}}};
  json["buckets"] = Json::array();
  for (const BucketBudget& b : p.buckets) {
    json["buckets"].push_back({{"tokens", b.tokens},
                               {"sentences", b.sentences},
                               {"depth", b.levels},
                               {"predicted_logit_bits", optional_number(b.logit_bits)},
                               {"estimated_seconds", b.estimated_seconds},
                               {"bytes_to_server", b.bytes_to_server},
                               {"bytes_to_client", b.bytes_to_client},
                               {"rotations", b.rotations},
                               {"ciphertext_products", b.ciphertext_products},
                               {"plain_products", b.plain_products},
                               {"rescales", b.rescales},
                               {"weight_bytes", b.weight_bytes}});
  }
  json["ledger"] = Json::array();
  for (const encoder::LedgerEntry& entry : p.ledger)
    json["ledger"].push_back({{"who", entry.who}, {"what", entry.what}});
  return json;
}

}  // namespace

std::string report_json(const ConversionReport& r) {
  Json json;
  json["name"] = r.name;
  json["source"] = r.source;
  json["verdict"] = verdict_json(r.verdict);
  if (!r.model_digest.empty()) json["model_digest"] = r.model_digest;
  for (const auto& [part, digest] : r.part_digests) json["digests"][part] = digest;
  json["task"] = r.task;
  json["metrics"] = r.metrics;
  if (!r.positive_label.empty()) json["positive_label"] = r.positive_label;
  json["seed"] = r.seed;
  json["seconds"] = r.seconds;
  json["model"] = {{"layers", r.config.layers},        {"hidden", r.config.hidden},
                   {"heads", r.config.heads},          {"ffn", r.config.ffn},
                   {"vocab", r.config.vocab},          {"max_positions", r.config.max_positions},
                   {"labels", r.config.labels},        {"he_friendly", r.config.he_friendly()},
                   {"type_vocab", r.config.type_vocab}};
  json["examples"] = data_json(r.data);
  json["options"] = Json::object();
  for (const auto& [name, value] : r.options) json["options"][name] = value;
  json["stages"] = stages_json(r);
  json["learning_curves"] = curves_json(r);
  if (r.protocol() && row_of(*r.protocol()).client_sees_values) json["max_relu_input"] = r.max_relu_input;
  json["max_logit"] = r.max_logit;
  json["ranges"] = ranges_json(r);
  if (r.unseen)
    json["unseen_ranges"] = {{"examples", r.unseen->examples},
                             {"ratio", r.unseen->ratio},
                             {"where", r.unseen->where},
                             {"room", r.unseen->room}};
  if (const auto& e = r.estimation) {
    json["softmax_estimation"] = {{"min_sum", e->min_sum},
                                  {"max_sum", e->max_sum},
                                  {"mse_true_softmax", e->mse_true_softmax},
                                  {"mse_exact_reciprocal", e->mse_exact_reciprocal},
                                  {"mse_reciprocal_part", e->mse_reciprocal_part},
                                  {"worst_relative_error", e->worst_relative}};
  }
  if (r.reference_metric || r.reference_difference) {
    json["reference"] = {{"dev", optional_number(r.reference_metric)},
                         {"largest_logit_difference", optional_number(r.reference_difference)}};
  }
  if (r.plan) json["plan"] = plan_json(*r.plan);
  if (!r.no_plan.empty()) json["no_plan"] = r.no_plan;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace thex::convert
