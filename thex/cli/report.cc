#include "thex/cli/report.h"

#include <fmt/format.h>

#include <algorithm>

namespace thex::cli {

std::string megabytes(double bytes) { return fmt::format("{:.2f} MB", bytes / 1e6); }

std::string label_name(const bert::ModelConfig& config, std::size_t label) {
  return label < config.labels.size() ? config.labels[label] : fmt::format("label {}", label);
}

Json to_json(const protocol::Classification& r, std::string_view text, const protocol::ClientModel& model) {
  Json json;
  json["text"] = text;
  json["label"] = label_name(model.model.config, r.label);
  json["score"] = r.score;
  json["logits"] = r.logits;
  json["protocol"] = model.plan.protocol;
  json["security_bits"] = model.plan.plan.context->security_bits();
  json["tokens"] = r.tokens;
  json["padded_tokens"] = r.bucket;
  json["rounds"] = model.plan.rounds;
  json["seconds"] = {{"embed", r.seconds.embed},     {"encrypt", r.seconds.encrypt}, {"relu", r.seconds.relu},
                     {"network", r.seconds.network}, {"server", r.seconds.server},   {"decrypt", r.seconds.decrypt},
                     {"total", r.seconds.total}};
  json["bytes_sent"] = r.bytes_sent;
  json["bytes_received"] = r.bytes_received;
  return json;
}

std::string result_line(const protocol::Classification& r, std::string_view text, const protocol::ClientModel& model) {
  std::size_t width = 0;
  for (const std::string& label : model.model.config.labels) width = std::max(width, label.size());
  return fmt::format("{:<{}}  {:.4f}  {}", label_name(model.model.config, r.label), width, r.score, text);
}

std::string result_details(const protocol::Classification& r, const protocol::ClientModel& model) {
  const ckks::Context& context = *model.plan.plan.context;
  const protocol::PhaseTimes& t = r.seconds;
  std::string out;
  out += fmt::format(
      "  time      {:.3f} s: embed {:.3f}, encrypt {:.3f}, client's ReLU {:.3f}, server {:.3f}, network {:.3f}, "
      "decrypt {:.3f}\n",
      t.total, t.embed, t.encrypt, t.relu, t.server, t.network, t.decrypt);
  out += fmt::format("  traffic   {} sent, {} received, {} rounds; {} tokens, padded to {}\n",
                     megabytes(static_cast<double>(r.bytes_sent)), megabytes(static_cast<double>(r.bytes_received)),
                     model.plan.rounds, r.tokens, r.bucket);
  out += fmt::format("  security  {} bits: N = 2^{}, log2(QP) = {:.0f}; protocol {}\n", context.security_bits(),
                     context.log_n(), context.log_qp(), model.plan.protocol);
  return out;
}

Json ledger_json(const bert::InferencePlan& plan) {
  Json ledger = Json::array();
  for (const bert::LedgerEntry& entry : plan.ledger) ledger.push_back({{"who", entry.who}, {"learns", entry.what}});
  return ledger;
}

std::string ledger_text(const bert::InferencePlan& plan) {
  std::string out = fmt::format("leakage ledger (protocol {})\n", plan.protocol);
  std::size_t width = 0;
  for (const bert::LedgerEntry& entry : plan.ledger) width = std::max(width, entry.who.size());
  for (const bert::LedgerEntry& entry : plan.ledger)
    out += fmt::format("  {:<{}}  learns {}\n", entry.who, width, entry.what);
  return out;
}

}  // namespace thex::cli
