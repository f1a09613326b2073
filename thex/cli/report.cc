#include "thex/cli/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "thex/base/printable.h"

namespace thex::cli {

std::string megabytes(double bytes) { return fmt::format("{:.2f} MB", bytes / 1e6); }

std::string label_name(const model::ModelConfig& config, std::size_t label) {
  return label < config.labels.size() ? config.labels[label] : fmt::format("label {}", label);
}

namespace {

// What the model says, by its task.
void add_outcome(Json& json, const client::Answer& r, const Query& query, const model::ModelConfig& config) {
  switch (config.task) {
    case model::Task::classification:
      json["label"] = label_name(config, r.label);
      json["score"] = r.score;
      json["logits"] = r.logits;
      break;
    case model::Task::regression:
      json["value"] = r.logits.at(0);
      break;
    case model::Task::token_classification: {
      const std::vector<WordTag> tags = word_tags(r, query, config);
      json["words"] = Json::array();
      for (std::size_t w = 0; w < tags.size(); ++w) {
        Json word{{"word", query.words[w]},
                  {"tag", label_name(config, tags[w].label)},
                  {"score", tags[w].score ? Json(*tags[w].score) : Json(nullptr)}};
        if (!query.spans.empty()) word["begin"] = query.spans[w].begin, word["end"] = query.spans[w].end;
        json["words"].push_back(std::move(word));
      }
      json["entities"] = Json::array();
      for (const TextEntity& entity : entities(tags, query, config)) {
        json["entities"].push_back({{"type", entity.type},
                                    {"text", entity.text},
                                    {"score", entity.score},
                                    {"first_word", entity.begin},
                                    {"last_word", entity.end - 1}});
      }
      json["logits"] = Json::array();
      const auto labels = static_cast<std::ptrdiff_t>(config.labels.size());
      for (auto row = r.logits.begin(); row != r.logits.end(); row += labels)
        json["logits"].push_back(std::vector<double>(row, row + labels));
      break;
    }
  }
}

std::string tagged_words(const client::Answer& r, const Query& query, const model::ModelConfig& config) {
  const std::vector<WordTag> tags = word_tags(r, query, config);
  std::string out;
  for (std::size_t w = 0; w < tags.size(); ++w)
    out +=
        fmt::format("{}{}/{}", w ? " " : "", printable(query.words[w]), printable(label_name(config, tags[w].label)));
  const std::vector<TextEntity> found = entities(tags, query, config);
  std::size_t width = 0;
  for (const TextEntity& entity : found) width = std::max(width, printable(entity.type).size());
  for (const TextEntity& entity : found)
    out += fmt::format("\n  {:<{}}  {:.4f}  {}", printable(entity.type), width, entity.score, printable(entity.text));
  return out;
}

}  // namespace

Json to_json(const client::Answer& r, const Query& query, const client::ClientModel& model) {
  const model::ModelConfig& config = model.model.config;
  Json json;
  json["text"] = query.text;
  if (query.pair) json["pair"] = *query.pair;
  json["task"] = model::name_of(config.task);
  add_outcome(json, r, query, config);
  json["protocol"] = name_of(model.plan.protocol);
  json["security_bits"] = model.plan.circuits.context->security_bits();
  json["security_model"] = "classical";
  json["tokens"] = r.tokens;
  json["padded_tokens"] = r.bucket;
  json["rounds"] = model.plan.rounds;
  json["sentences"] = r.sentences;
  json["seconds"] = {{"embed", r.seconds.embed},     {"encrypt", r.seconds.encrypt}, {"turns", r.seconds.turns},
                     {"network", r.seconds.network}, {"server", r.seconds.server},   {"decrypt", r.seconds.decrypt},
                     {"total", r.seconds.total}};
  json["bytes_sent"] = r.bytes_sent;
  json["bytes_received"] = r.bytes_received;
  return json;
}

std::string result_line(const client::Answer& r, const Query& query, const client::ClientModel& model) {
  const model::ModelConfig& config = model.model.config;
  if (by_token(config.task)) return tagged_words(r, query, config);
  const std::string text = printable(query.pair ? query.text + " | " + *query.pair : query.text);
  if (config.task == model::Task::regression) return fmt::format("{:9.4f}  {}", r.logits.at(0), text);
  std::size_t width = 0;
  for (const std::string& label : config.labels) width = std::max(width, printable(label).size());
  return fmt::format("{:<{}}  {:.4f}  {}", printable(label_name(config, r.label)), width, r.score, text);
}

std::string result_details(const client::Answer& r, const client::ClientModel& model) {
  const ckks::Context& context = *model.plan.circuits.context;
  const client::PhaseTimes& t = r.seconds;
  std::string out;
  if (r.sentences > 1) out += fmt::format("  batch     {} texts in one query, of which this is\n", r.sentences);
  out += fmt::format(
      "  time      {:.3f} s: embed {:.3f}, encrypt {:.3f}, client's turns {:.3f}, server {:.3f}, network {:.3f}, "
      "decrypt {:.3f}\n",
      t.total, t.embed, t.encrypt, t.turns, t.server, t.network, t.decrypt);
  out += fmt::format("  traffic   {} sent, {} received, {}; {} tokens, padded to {}\n",
                     megabytes(static_cast<double>(r.bytes_sent)), megabytes(static_cast<double>(r.bytes_received)),
                     encoder::rounds_text(model.plan.rounds), r.tokens, r.bucket);
  out += fmt::format("  security  {} bits (classical): N = 2^{}, log2(QP) = {:.1f}; protocol {}\n",
                     context.security_bits(), context.log_n(), context.log_qp(), name_of(model.plan.protocol));
  return out;
}

Json parameters_json(const ckks::Context& context) {
  const ckks::ContextSpec& spec = context.spec();
  return {{"log_n", spec.log_n},
          {"log_qp", context.log_qp()},
          {"levels", context.max_level().number()},
          {"log_scale", spec.log_scale},
          {"q_bits", spec.q_bits},
          {"p_bits", spec.p_bits},
          {"digit_limbs", spec.digit_limbs}};
}

Json ledger_json(const encoder::InferencePlan& plan) {
  Json ledger = Json::array();
  for (const encoder::LedgerEntry& entry : plan.ledger) ledger.push_back({{"who", entry.who}, {"learns", entry.what}});
  return ledger;
}

std::string ledger_text(const encoder::InferencePlan& plan) {
  std::string out = fmt::format("leakage ledger (protocol {})\n", name_of(plan.protocol));
  std::size_t width = 0;
  for (const encoder::LedgerEntry& entry : plan.ledger) width = std::max(width, entry.who.size());
  for (const encoder::LedgerEntry& entry : plan.ledger)
    out += fmt::format("  {:<{}}  learns {}\n", entry.who, width, entry.what);
  return out;
}

}  // namespace thex::cli
