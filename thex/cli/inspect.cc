// thex inspect: what a model costs and who learns what, before anything is encrypted.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "thex/base/hex.h"
#include "thex/base/json.h"
#include "thex/base/memory.h"
#include "thex/base/parallel.h"
#include "thex/base/printable.h"
#include "thex/circuit/accounting.h"
#include "thex/circuit/run/clear.h"
#include "thex/cli/command.h"
#include "thex/cli/locations.h"
#include "thex/cli/machine_costs.h"
#include "thex/cli/report.h"
#include "thex/data/tags.h"
#include "thex/encoder/inference_plan.h"
#include "thex/encoder/serving_memory.h"
#include "thex/measure/bound.h"
#include "thex/model/digest.h"
#include "thex/model/model.h"
#include "thex/model/reference.h"
#include "thex/protocol/message_sizes.h"

namespace thex::cli {
namespace {

struct Options {
  ModelOptions model;
  bool json = false, simulate = false, steps = false, bounds = false;
};

// Seconds of one thread: of this machine where they were measured, else those that plans assume.
class Clocks {
 public:
  // `bounds`: whether the least time of a circuit's counted work on this machine is asked for, too.
  explicit Clocks(bool bounds) : measured_(load_machine_costs()) {
    if (bounds) machine_.emplace();
  }
  bool measured() const { return measured_.has_value(); }
  std::vector<circuit::StepCost> steps(const circuit::Plan& plan, std::size_t program) const {
    return circuit::step_costs(plan.programs[program], plan.program_plans[program], plan.spec,
                               measured_.value_or(circuit::OperationFactors{}));
  }
  double seconds(const circuit::Plan& plan, std::size_t program) const {
    if (!measured_) return plan.program_plans[program].estimated_seconds;
    double sum = 0;
    for (const circuit::StepCost& step : steps(plan, program)) sum += step.seconds;
    return sum;
  }
  std::optional<double> bound(const circuit::Plan& plan, std::size_t program) const {
    if (!machine_) return std::nullopt;
    return measure::bound_seconds(
        measure::circuit_work(plan.programs[program], plan.program_plans[program], *plan.context), *machine_, 1);
  }
  const char* text() const {
    return measured_ ? "on this machine, from thex bench --calibrate" : "an estimate for AVX-512 IFMA";
  }

 private:
  std::optional<circuit::OperationFactors> measured_;
  mutable std::optional<measure::Machine> machine_;  // its rates are measured when they are asked for
};

Json steps_json(const circuit::Plan& plan, std::size_t program, const Clocks& clocks) {
  Json all = Json::array();
  for (const circuit::StepCost& s : clocks.steps(plan, program))
    all.push_back({{"step", s.label},
                   {"level", s.level.number()},
                   {"rotations", s.rotations},
                   {"plain_products", s.plain_products},
                   {"ciphertext_products", s.ciphertext_products},
                   {"estimated_seconds", s.seconds}});
  return all;
}

Json hex_or_null(const std::optional<model::Digest>& digest) { return digest ? Json(hex(*digest)) : Json(nullptr); }

// Of the model as a whole; nothing when the folder holds only a part of it, or has no plan yet.
std::optional<model::Digest> whole_digest(const encoder::InferencePlan* plan, const model::ModelDigests& digests) {
  if (plan == nullptr || !digests.complete()) return std::nullopt;
  return model::model_digest(plan->fingerprint, digests);
}

Json digests_json(const model::ModelDigests& digests) {
  Json json;
  for (std::size_t i = 0; i < model::kModelPartCount; ++i)
    json[std::string(name_of(static_cast<model::ModelPart>(i)))] = hex_or_null(digests.parts[i]);
  return json;
}

std::string digests_text(const encoder::InferencePlan* plan, const model::ModelDigests& digests) {
  const std::optional<model::Digest> whole = whole_digest(plan, digests);
  std::string parts;
  for (std::size_t i = 0; i < model::kModelPartCount; ++i) {
    const std::string shown = digests.parts[i] ? hex(*digests.parts[i]).substr(0, 16) : "not in this folder";
    parts += fmt::format("{}{} {}", i == 0 ? "" : ", ", name_of(static_cast<model::ModelPart>(i)), shown);
  }
  return (whole ? fmt::format("digest    {}\n          of {}\n", hex(*whole), parts)
                : fmt::format("digest    {}\n", parts));
}

Json model_json(const model::ModelConfig& c, const std::filesystem::path& folder) {
  Json json;
  json["path"] = folder.string();
  json["name"] = folder.filename().string();
  json["layers"] = c.layers;
  json["hidden"] = c.hidden;
  json["heads"] = c.heads;
  json["ffn"] = c.ffn;
  json["vocab"] = c.vocab;
  json["labels"] = c.labels;
  json["task"] = model::name_of(c.task);
  if (by_token(c.task)) {
    const auto scheme = data::scheme_of(c.labels);
    json["tag_scheme"] = scheme ? Json(scheme->name()) : Json(nullptr);
  }
  json["he_friendly"] = c.he_friendly();
  return json;
}

// Random tokens of the model as the encoder gets them; without the tables for them numbers of the size that LayerNorm
// gives.
std::vector<double> random_embeddings(const model::Model& model, int tokens, std::mt19937_64& engine) {
  if (!model.tensors.contains("embeddings.word_embeddings.weight")) {
    std::normal_distribution<double> normal;
    std::vector<double> embeddings(static_cast<std::size_t>(tokens) * static_cast<std::size_t>(model.config.hidden));
    for (double& x : embeddings) x = normal(engine);
    return embeddings;
  }
  std::uniform_int_distribution<std::int32_t> token(0, model.config.vocab - 1);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(tokens));
  for (std::int32_t& id : ids) id = token(engine);
  return model::embed(model, ids, std::vector<std::int32_t>(ids.size(), 0));
}

// The bits of the logits that simulated runs of the model's own circuit keep, in the place of those from sizes.
void simulate_precision(encoder::InferencePlan& plan, const model::Model& model) {
  constexpr int kRuns = 4;
  parallel_for(plan.shapes.size(), thread_count(0), [&](std::size_t i) {
    std::mt19937_64 engine(i);
    const auto [tokens, sentences] = plan.shapes[i];
    std::vector<double> embeddings;
    for (int s = 0; s < sentences; ++s) {
      const std::vector<double> one = random_embeddings(model, tokens, engine);
      embeddings.insert(embeddings.end(), one.begin(), one.end());
    }
    circuit::ProgramPlan& levels = plan.circuits.program_plans[i];
    const circuit::NoiseModel noise{plan.circuits.context.get(), &levels, i};
    levels.result_bits = circuit::simulate_noise(plan.circuits.programs[i], noise, embeddings,
                                                 std::vector<int>(static_cast<std::size_t>(sentences), tokens), kRuns)
                             .result_bits();
  });
}

// "every half layer", "every 2 layers"; empty where nothing is refreshed.
std::string refreshed_text(const encoder::Segments& segments) {
  if (segments.layers == 0) return "";
  if (segments.halves) return "every half layer";
  return segments.layers == 1 ? "every layer" : fmt::format("every {} layers", segments.layers);
}

Json prices_json(const encoder::InferencePlan& plan) {
  Json all = Json::array();
  for (const encoder::PlanPrice& price : plan.prices) {
    Json one{{"protocol", name_of(price.protocol)}, {"refreshed", refreshed_text(price.segments)}};
    if (!price.refusal.empty())
      one["refusal"] = price.refusal;
    else
      one.update({{"log_n", price.log_n},
                  {"rounds", price.rounds},
                  {"seconds", price.seconds},
                  {"server_seconds", price.server_seconds},
                  {"bytes", price.bytes},
                  {"key_bytes", price.key_bytes}});
    all.push_back(std::move(one));
  }
  return all;
}

Json plan_json(const model::ModelConfig& config, const encoder::InferencePlan& plan, const Clocks& clocks,
               bool simulated) {
  const bool calibrated = !config.thex->layers.empty();
  const circuit::Plan& p = plan.circuits;
  Json json;
  json["protocol"] = name_of(plan.protocol);
  json["plan"] = plan.fingerprint;
  json["rounds"] = plan.rounds;
  const std::optional<double> statistical = plan.statistical_bits();
  json["statistical_bits"] = statistical ? Json(*statistical) : Json(nullptr);
  json["compared"] = prices_json(plan);
  json["security_bits"] = p.context->security_bits();
  json["security_model"] = "classical";
  json["parameters"] = parameters_json(*p.context);
  json["keys"] = {{"rotations", p.keys.rotations.size()},
                  {"wire_bytes", protocol::key_bytes(plan)},
                  {"memory_bytes", p.key_bytes_memory}};
  if (plan.hides_answers()) {
    const std::optional<double> above = plan.flood_bits_above_noise();
    json["answers"] = {{"flood_bits_above_noise", above ? Json(*above) : Json(nullptr)}};
  }
  json["precision"] = simulated ? "simulated" : calibrated ? "calibrated" : "assumed";
  json["seconds"] = clocks.measured() ? "measured" : "assumed";
  json["buckets"] = Json::array();
  std::size_t weights = 0;
  for (std::size_t i = 0; i < plan.shapes.size(); ++i) {
    const circuit::ProgramPlan& b = p.program_plans[i];
    const std::size_t bytes = circuit::plaintext_bytes(p.programs[i], b, p.spec);
    const std::optional<double> bits = plan.logit_bits(i);
    weights = std::max(weights, bytes);
    json["buckets"].push_back({{"tokens", plan.shapes[i].tokens},
                               {"sentences", plan.shapes[i].sentences},
                               {"depth", b.depth.number()},
                               {"predicted_logit_bits", bits ? Json(*bits) : Json(nullptr)},
                               {"seconds", clocks.seconds(p, i)},
                               {"estimated_seconds", b.estimated_seconds},
                               {"bytes", b.bytes_to_server + b.bytes_to_client},
                               {"bytes_to_server", b.bytes_to_server},
                               {"bytes_to_client", b.bytes_to_client},
                               {"rotations", b.counts.rotations},
                               {"ciphertext_products", b.counts.ciphertext_products},
                               {"plain_products", b.counts.plain_products},
                               {"rescales", b.counts.rescales},
                               {"weight_bytes", bytes},
                               {"steps", steps_json(p, i, clocks)}});
    if (const std::optional<double> bound = clocks.bound(p, i)) json["buckets"].back()["bound_seconds"] = *bound;
    if (b.hiding)
      json["buckets"].back()["answer"] = {{"period", b.hiding->period},
                                          {"flood_deviation", plan.flood_deviation(i)},
                                          {"exposed_bits", *plan.exposed_bits(i)},
                                          {"encryptions_of_zero", b.hiding->zeros}};
  }
  json["server_memory_bytes"] = {{"keys_per_client", p.key_bytes_memory}, {"weights_largest_bucket", weights}};
  json["peak_memory_bytes"] = encoder::peak_memory_here(config, plan);
  json["ledger"] = ledger_json(plan);
  return json;
}

void print_steps(const encoder::InferencePlan& plan, const Clocks& clocks) {
  for (std::size_t i = 0; i < plan.shapes.size(); ++i) {
    std::cout << fmt::format("\n{:<28}  level  rotations  products by weights  by ciphertexts  est. s\n",
                             encoder::to_string(plan.shapes[i]));
    for (const circuit::StepCost& s : clocks.steps(plan.circuits, i))
      std::cout << fmt::format("  {:<26}  {:>5}  {:>9}  {:>19}  {:>14}  {:>6.3f}\n", s.label, s.level.number(),
                               s.rotations, s.plain_products, s.ciphertext_products, s.seconds);
  }
}

std::string column(const encoder::QueryShape& shape) {
  return shape.sentences == 1 ? fmt::format("{}", shape.tokens) : fmt::format("{}x{}", shape.sentences, shape.tokens);
}

// What an answer shows, circuit by circuit.
void print_hiding(const encoder::InferencePlan& plan) {
  const std::optional<double> above = plan.flood_bits_above_noise();
  std::cout << "\nanswers   noise that the server adds to every logit on purpose"
            << (!above       ? ""
                : *above < 1 ? "; that of the computation may be as large"
                             : fmt::format(", {:.0f} bits or more above that of the computation", *above))
            << "\n          and the most bits that one answer says about the weights, whatever the client encrypts\n"
            << "tokens    noise  values  most bits\n";
  for (std::size_t i = 0; i < plan.shapes.size(); ++i)
    std::cout << fmt::format("{:>6}  {:>7}  {:>6}  {:>9.0f}\n", column(plan.shapes[i]),
                             fmt::format("2^{:.1f}", std::log2(plan.flood_deviation(i))),
                             plan.circuits.program_plans[i].hiding->period, *plan.exposed_bits(i));
}

// The ways to serve the model that were compared.
void print_prices(const encoder::InferencePlan& plan) {
  if (plan.prices.size() < 2) return;
  std::cout << "          compared by what plans assume, seconds with network and megabytes a query (mean over the "
               "lengths), keys once:\n";
  for (const encoder::PlanPrice& price : plan.prices) {
    const std::string way = refreshed_text(price.segments);
    const std::string name = fmt::format("{}{}{}", name_of(price.protocol), way.empty() ? "" : ", ", way);
    if (!price.refusal.empty())
      std::cout << fmt::format("          {:<30} no: {}\n", name, price.refusal);
    else
      std::cout << fmt::format("          {:<30} {:>7.2f} s  {:>6.1f} MB  {:>6.0f} MB of keys  N = 2^{}, {}\n", name,
                               price.seconds, price.bytes / 1e6, static_cast<double>(price.key_bytes) / 1e6,
                               price.log_n, encoder::rounds_text(price.rounds));
  }
}

// What predicted bits rest on.
const char* basis_of_precision(const model::ModelConfig& c) {
  const std::vector<model::LayerRanges>& layers = c.thex->layers;
  if (layers.empty()) return "assuming values near 1 and independent errors; see --simulate";
  return layers.front().sensitivity ? "from measured sizes of values, weights and errors; see --simulate"
                                    : "from calibrated sizes, assuming independent errors; see --simulate";
}

void print_text(const model::ModelConfig& c, const std::filesystem::path& folder, const encoder::InferencePlan* plan,
                const model::ModelDigests& digests, const Clocks& clocks, bool simulated, bool steps) {
  std::cout << fmt::format("model     {}: {} layers, hidden {}, {} heads, FFN {}, {} with {} labels\n",
                           printable(folder.string()), c.layers, c.hidden, c.heads, c.ffn, model::name_of(c.task),
                           c.labels.size())
            << digests_text(plan, digests);
  if (!plan) {
    std::cout << "          a plain BERT: make it HE-friendly with 'thex convert' before it can be served\n";
    return;
  }
  const circuit::Plan& p = plan->circuits;
  const auto join = [](const std::vector<int>& bits) { return fmt::format("{}", fmt::join(bits, " ")); };
  std::cout << fmt::format("protocol  {}, {}; plan {}\n", name_of(plan->protocol), encoder::rounds_text(plan->rounds),
                           plan->fingerprint);
  print_prices(*plan);
  if (const std::optional<double> bits = plan->statistical_bits())
    std::cout << fmt::format(
        "masks     what the client sees of them is within 2^-{:.1f} of random (statistical distance "
        "of a query{})\n",
        *bits, c.thex->layers.empty() ? ", assuming values near 1: thex calibrate measures them" : "");
  std::cout << fmt::format("security  {} bits (classical): N = 2^{}, log2(QP) = {:.1f}\n", p.context->security_bits(),
                           p.spec.log_n, p.context->log_qp());
  std::cout << fmt::format("primes    {} | {} bits, scale 2^{}, {} levels, {} primes a digit\n", join(p.spec.q_bits),
                           join(p.spec.p_bits), p.spec.log_scale, p.context->max_level().number(), p.spec.digit_limbs);
  std::cout << fmt::format("keys      {} rotations; {} on the wire (once), {} in the server's memory\n",
                           p.keys.rotations.size(), megabytes(static_cast<double>(protocol::key_bytes(*plan))),
                           megabytes(static_cast<double>(p.key_bytes_memory)));
  std::cout << fmt::format("memory    {} at most, a server on this machine with one client\n",
                           megabytes(static_cast<double>(encoder::peak_memory_here(c, *plan))));
  std::cout << "\ntokens  depth  bits  est. s  to server    to client    rotations  products  weights\n";
  for (std::size_t i = 0; i < plan->shapes.size(); ++i) {
    const circuit::ProgramPlan& b = p.program_plans[i];
    const std::optional<double> bits = plan->logit_bits(i);
    std::cout << fmt::format(
        "{:>6}  {:>5}  {:>4}  {:>6.2f}  {:>9}  {:>11}  {:>11}  {:>8}  {}\n", column(plan->shapes[i]), b.depth.number(),
        bits ? fmt::format("{:.0f}", std::max(0.0, *bits)) : "-", clocks.seconds(p, i),
        megabytes(static_cast<double>(b.bytes_to_server)), megabytes(static_cast<double>(b.bytes_to_client)),
        b.counts.rotations, b.counts.ciphertext_products + b.counts.plain_products,
        megabytes(static_cast<double>(circuit::plaintext_bytes(p.programs[i], b, p.spec))));
  }
  std::cout << fmt::format("(bits: of the logits behind the binary point, {}; seconds: server, one thread, {})\n",
                           simulated ? "simulated" : basis_of_precision(c), clocks.text());
  for (std::size_t i = 0; i < plan->shapes.size(); ++i)
    if (const std::optional<double> bound = clocks.bound(p, i))
      std::cout << fmt::format("{:>6}  least time of the counted work on one thread of this machine {:.2f} s\n",
                               column(plan->shapes[i]), *bound);
  if (plan->hides_answers()) print_hiding(*plan);
  std::cout << '\n' << ledger_text(*plan);
  if (steps) print_steps(*plan, clocks);
}

void run(const Options& o) {
  const auto folder = find_model(o.model.model);
  const model::ModelConfig config = model::load_config(folder);
  const model::ModelDigests digests = model::model_digests(folder);
  std::unique_ptr<encoder::InferencePlan> plan;
  if (config.he_friendly() && o.simulate) {
    const model::Part parts = digests.complete() ? model::Part::all : model::Part::server;
    const auto model = std::make_shared<const model::Model>(model::load_model(folder, parts));
    plan = std::make_unique<encoder::InferencePlan>(encoder::plan_inference(model, o.model.plan_request()));
    simulate_precision(*plan, *model);
  } else if (config.he_friendly()) {
    plan = std::make_unique<encoder::InferencePlan>(encoder::plan_inference(config, o.model.plan_request()));
  }
  const Clocks clocks(o.bounds);
  if (!o.json) return print_text(config, folder, plan.get(), digests, clocks, o.simulate, o.steps);
  Json json;
  json["model"] = model_json(config, folder);
  json["model"]["digests"] = digests_json(digests);
  if (plan) json["model_digest"] = hex_or_null(whole_digest(plan.get(), digests));
  if (plan) json.update(plan_json(config, *plan, clocks, o.simulate));
  std::cout << json_line(json) << '\n';
}

}  // namespace

void add_inspect(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("inspect", "Parameters, keys, cost and leakage of a model");
  sub->add_flag("--json", o->json, "One JSON object on stdout");
  sub->add_flag(
      "--simulate", o->simulate,
      "Predict the precision by simulated runs with the model's weights, instead of from measured or assumed sizes");
  sub->add_flag("--steps", o->steps, "Also what each step of the circuits costs");
  sub->add_flag("--bounds", o->bounds, "Also the least time that each circuit's work can take on this machine");
  add_model_options(*sub, o->model);
  command.app = sub;
  command.run = [o] { run(*o); };
}

}  // namespace thex::cli
