// thex precision: how many bits each CKKS operation keeps, measured on fresh ciphertexts, beside what the noise model
// predicts.
#include "thex/ckks/precision.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "thex/base/error.h"
#include "thex/base/json.h"
#include "thex/circuit/levels.h"
#include "thex/circuit/library/polynomial.h"
#include "thex/circuit/run/ckks_run.h"
#include "thex/circuit/run/clear.h"
#include "thex/ckks/encoder.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/secret/secret.h"
#include "thex/cli/command.h"
#include "thex/cli/locations.h"
#include "thex/cli/report.h"
#include "thex/encoder/inference_plan.h"
#include "thex/model/model.h"

namespace thex::cli {
namespace {

using ckks::Ciphertext;
using Reals = std::vector<double>;

constexpr int kMostPolynomialLevels = 5;  // degree 31

struct Options {
  ModelOptions model;
  int log_n = 0, level = -1;  // -1: the highest
  bool json = false;
};

struct Row {
  std::string operation;
  ckks::Level level;  // of the result
  ckks::PrecisionStatistics measured;
  double deviation = 0;  // predicted
};

// Slots uniform in [-1, 1]: their mean square is 1/3.
constexpr double kMeanSquare = 1.0 / 3;
Reals uniform(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::uniform_real_distribution<double> distribution(-1, 1);
  Reals values(count);
  for (double& v : values) v = distribution(engine);
  return values;
}

// The logistic function of 4 x, as exactly as that many levels allow.
circuit::Polynomial polynomial_of(int levels) {
  return circuit::chebyshev_interpolation([](double x) { return 1 / (1 + std::exp(-4 * x)); }, -1, 1,
                                          (1 << levels) - 1);
}

circuit::Program program_of(const circuit::Polynomial& p, std::size_t slots) {
  circuit::Builder builder(slots);
  std::vector<circuit::SlotSource> all(slots);
  for (std::size_t i = 0; i < slots; ++i) all[i] = {0, i, -1};
  const circuit::Value x = builder.client_step("input", {}, {all}, slots)[0];
  builder.set_label("polynomial");
  return std::move(builder).finish(circuit::evaluate_polynomial(builder, x, p), {0});
}

// A chain in that ring with as many levels as fit, up to the polynomial's.
ckks::ContextPtr context_of(int log_n) {
  for (int levels = kMostPolynomialLevels;; --levels) {
    const circuit::Polynomial p = polynomial_of(levels);
    try {
      return circuit::make_plan([&](std::size_t slots) { return std::vector<circuit::Program>{program_of(p, slots)}; },
                                {.max_value = 4, .min_log_n = log_n, .max_log_n = log_n, .min_log_scale = 30})
          .context;
    } catch (const Error&) {
      if (levels == 1) throw;
    }
  }
}

class Measurement {
 public:
  Measurement(ckks::ContextPtr context, ckks::Level level)
      : context_(std::move(context)),
        level_(level),
        encoder_(context_),
        evaluator_(context_),
        noise_(*context_),
        key_(ckks::secret::SecretKey::generate(context_, prng_)),
        x_(uniform(context_->slots(), 1)),
        y_(uniform(context_->slots(), 2)) {
    const ckks::Level polynomial_level = std::min<ckks::Level>(kMostPolynomialLevels, context_->max_level());
    const ckks::KeyRequirements required{.rotations = {{1, level}},
                                         .relinearization_level = std::max(level, polynomial_level),
                                         .conjugation_level = level};
    keys_ = std::make_shared<const ckks::EvaluationKeys>(ckks::secret::make_evaluation_keys(key_, required, prng_));
  }

  std::vector<Row> run() {
    const std::size_t slots = context_->slots();
    const double scale = context_->scale(level_);
    const ckks::Plaintext plain = encode(x_, level_, scale);
    const double encoding = noise_.encoding(slots, scale), fresh = encoding + noise_.encryption(scale);
    note("encode and decode", level_, encoder_.decode_real(plain), x_, encoding);
    const Ciphertext a = encrypt(plain), b = encrypt(encode(y_, level_, scale));
    note("encrypt and decrypt", a, x_, fresh);
    const auto public_key = ckks::secret::make_public_key(key_, prng_);
    note("  with the public key", ckks::secret::encrypt(*context_, public_key, plain, prng_), x_,
         encoding + noise_.public_encryption(scale));
    note("add", evaluator_.add(a, b), combined([](double x, double y) { return x + y; }), 2 * fresh);
    const double switching = noise_.key_switch(level_, scale);
    Reals shifted = x_;
    std::rotate(shifted.begin(), shifted.begin() + 1, shifted.end());
    note("rotate", evaluator_.rotate(a, 1, *keys_), shifted, fresh + switching);
    note("conjugate", evaluator_.conjugate(a, *keys_), x_, fresh + switching);
    if (level_ > 0) products(a, b, scale, fresh);
    if (context_->max_level() > 0) polynomial(std::min(kMostPolynomialLevels, context_->max_level().number()));
    return std::move(rows_);
  }

 private:
  void products(const Ciphertext& a, const Ciphertext& b, double scale, double fresh) {
    const ckks::Level below = level_ - 1;
    const double after = context_->scale(below), factor_scale = after * noise_.dropped_prime(below) / scale;
    const Reals product = combined([](double x, double y) { return x * y; });
    const ckks::Plaintext factor = encode(y_, level_, factor_scale);
    const double carried = kMeanSquare * fresh;
    note("multiply by a plaintext, rescale", evaluator_.rescale(evaluator_.mul_plain(a, factor)), product,
         carried + kMeanSquare * noise_.encoding(context_->slots(), factor_scale) + noise_.rounding(after));
    note("multiply, relinearise, rescale", evaluator_.relinearize_rescale(evaluator_.mul(a, b), *keys_), product,
         2 * carried + noise_.relinearize_rescale(below, after));
    note("rescale to the level below", evaluator_.align_to(a, below), x_,
         fresh + noise_.lowering(kMeanSquare, scale, below));
  }

  void polynomial(int levels) {
    const circuit::Polynomial p = polynomial_of(levels);
    const circuit::Program program = program_of(p, context_->slots());
    const circuit::ProgramPlan plan = circuit::assign_levels(program);
    const ckks::Level top = plan.level.front();
    const auto prepared = std::make_shared<const circuit::CkksCircuit>(context_, program, plan);
    const Ciphertext input = encrypt(encode(x_, top, context_->scale(top)));
    const Ciphertext result = circuit::run_with_client(prepared, keys_, {input}, {}, 1)[0];
    Reals expected;
    for (const double x : x_) expected.push_back(p(x));
    const auto estimate = circuit::simulate_noise(program, {context_.get(), &plan, 1}, x_, 1, 2);
    const double deviation = estimate.deviation[program.results[0]];
    note(fmt::format("polynomial of degree {}", p.degree()), result, expected, deviation * deviation);
  }

  ckks::Plaintext encode(const Reals& values, ckks::Level level, double scale) const {
    return encoder_.encode(std::span<const double>(values), level, scale);
  }
  Ciphertext encrypt(const ckks::Plaintext& plain) {
    return evaluator_.expand(ckks::secret::encrypt(key_, plain, prng_));
  }
  template <typename F>
  Reals combined(F f) const {
    Reals result(x_.size());
    for (std::size_t i = 0; i < result.size(); ++i) result[i] = f(x_[i], y_[i]);
    return result;
  }
  void note(const std::string& operation, const Ciphertext& c, const Reals& expected, double variance) {
    note(operation, c.level, encoder_.decode_real(ckks::secret::decrypt(key_, c)), expected, variance);
  }
  void note(const std::string& operation, ckks::Level level, const Reals& computed, const Reals& expected,
            double variance) {
    rows_.push_back({operation, level, ckks::precision(computed, expected), std::sqrt(variance)});
  }

  ckks::ContextPtr context_;
  ckks::Level level_;
  ckks::Encoder encoder_;
  ckks::Evaluator evaluator_;
  circuit::OperationNoise noise_;
  ring::Prng prng_;
  ckks::secret::SecretKey key_;
  std::shared_ptr<const ckks::EvaluationKeys> keys_;
  Reals x_, y_;
  std::vector<Row> rows_;
};

Json to_json(const ckks::Context& context, ckks::Level level, const std::vector<Row>& rows) {
  Json json;
  json["parameters"] = parameters_json(context);
  json["security_bits"] = context.security_bits();
  json["level"] = level.number();
  json["operations"] = Json::array();
  for (const Row& row : rows) {
    Json entry;
    const std::size_t name = row.operation.find_first_not_of(' ');
    entry["operation"] = name == 0 ? row.operation : "encrypt and decrypt " + row.operation.substr(name);
    entry["level"] = row.level.number();
    entry["measured"] = {{"min_bits", row.measured.min_bits},
                         {"mean_bits", row.measured.mean_bits},
                         {"max_bits", row.measured.max_bits},
                         {"max_error", row.measured.max_error}};
    entry["predicted"] = {{"min_bits", circuit::expected_min_bits(row.deviation, row.measured.count)},
                          {"mean_bits", circuit::expected_mean_bits(row.deviation)},
                          {"deviation", row.deviation}};
    json["operations"].push_back(entry);
  }
  return json;
}

void print_text(const ckks::Context& context, ckks::Level level, const std::vector<Row>& rows) {
  std::cout << fmt::format(
      "N = 2^{}, log2(QP) = {:.1f}, {} bits of classical security; scale 2^{}, at level {} of {}\n"
      "bits behind the binary point, {} slots uniform in [-1, 1]\n\n",
      context.log_n(), context.log_qp(), context.security_bits(), context.spec().log_scale, level.number(),
      context.max_level().number(), context.slots());
  std::cout << fmt::format("{:>50}{:>28}\n", "measured", "predicted");
  std::cout << fmt::format("{:<34}{:>6}{:>10}{:>8}{:>8}{:>12}{:>8}\n", "operation", "level", "min", "mean", "max",
                           "min", "mean");
  for (const Row& row : rows)
    std::cout << fmt::format("{:<34}{:>6}{:>10.1f}{:>8.1f}{:>8.1f}{:>12.1f}{:>8.1f}\n", row.operation,
                             row.level.number(), row.measured.min_bits, row.measured.mean_bits, row.measured.max_bits,
                             circuit::expected_min_bits(row.deviation, row.measured.count),
                             circuit::expected_mean_bits(row.deviation));
}

void run(const Options& o) {
  const ckks::ContextPtr context =
      o.log_n > 0 ? context_of(o.log_n)
                  : encoder::plan_inference(model::load_config(find_model(o.model.model)), o.model.plan_request())
                        .circuits.context;
  const ckks::Level level = o.level < 0 ? context->max_level() : o.level;
  if (level > context->max_level())
    throw Error(ErrorCode::usage, fmt::format("--level {}: these parameters have levels 0 to {}", level.number(),
                                              context->max_level().number()));
  const std::vector<Row> rows = Measurement(context, level).run();
  if (o.json) {
    std::cout << json_line(to_json(*context, level, rows)) << '\n';
  } else {
    print_text(*context, level, rows);
  }
}

}  // namespace

void add_precision(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("precision", "Bits that each operation keeps, measured and predicted");
  auto* log_n =
      sub->add_option("--log-n", o->log_n, "Ring dimension 2^N with parameters of its own instead of a model's")
          ->check(CLI::Range(12, 16));
  sub->add_option("--level", o->level, "Level to operate at (default: the highest)")->check(CLI::Range(0, 64));
  sub->add_flag("--json", o->json, "One JSON object on stdout");
  add_model_options(*sub, o->model);
  log_n->excludes("--model");
  command.app = sub;
  command.run = [o] { run(*o); };
}

}  // namespace thex::cli
