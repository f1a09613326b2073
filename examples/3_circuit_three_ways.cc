// Example 3: a circuit of your own, planned once and run three ways.
//
// A circuit is written once, as a program on vectors of numbers: no level, scale or prime is named. The planner chooses
// the parameters. Then the same program runs in clear, in clear with the noise that its plan will have, and on
// ciphertexts; the three results show what encryption costs in precision.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

#include "thex/circuit/library/matrix.h"
#include "thex/circuit/library/polynomial.h"
#include "thex/circuit/planner.h"
#include "thex/circuit/run/ckks_run.h"
#include "thex/circuit/run/clear.h"
#include "thex/circuit/secret/client_turn.h"
#include "thex/ckks/evaluator.h"

namespace {

using namespace thex;

constexpr std::size_t kSize = 16;

// The model: a hidden layer with a sigmoid, then one weighted sum.
double weight(std::size_t row, std::size_t column) {
  return std::cos(static_cast<double>((row + 1) * (column + 2))) / 4;
}
double output_weight(std::size_t row) { return std::sin(static_cast<double>(row + 1)); }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// The circuit. CKKS knows sums, products and rotations, so the sigmoid becomes a polynomial that equals it nearly on
// [-4, 4].
circuit::Program network(std::size_t slots) {
  circuit::Builder b(slots);
  // What the client encrypts: its 16 features twice, [x|x], again and again. A rotation of [x|x] by up to 16 is a
  // cyclic one of x, which is what the matrix wants.
  std::vector<circuit::SlotSource> features(slots);
  for (std::size_t i = 0; i < slots; ++i) features[i] = {.input = 0, .slot = i % kSize};
  const circuit::Value x = b.client_step("features", {}, {features}, kSize).front();

  b.set_label("hidden");                                                   // errors and profiles name the step
  const circuit::LinearMap matrix(b, {circuit::dense(kSize, weight)}, 4);  // four baby steps, four giant steps
  const auto curve = circuit::chebyshev_interpolation(sigmoid, -4, 4, 15);
  const circuit::Value hidden = circuit::evaluate_polynomial(b, matrix.apply(b, x), curve);

  b.set_label("output");
  const auto row = [](std::size_t p) { return p < kSize ? output_weight(p) : 0.0; };
  const circuit::Value terms = b.multiply_plain(hidden, b.plain(circuit::vector_of(2 * kSize, row)));
  return std::move(b).finish(circuit::rotate_and_sum(b, terms, kSize / 2, 1), {0});  // the client reads slot 0
}

// One query on ciphertexts. What the server gets are seeded ciphertexts and evaluation keys.
double encrypted(const circuit::Plan& plan, const std::vector<double>& x) {
  ring::Prng prng;
  const auto secret = ckks::secret::SecretKey::generate(plan.context, prng);
  const auto keys =
      std::make_shared<const ckks::EvaluationKeys>(ckks::secret::make_evaluation_keys(secret, plan.keys, prng));
  const circuit::ClientTurn client(plan, 0, secret, static_cast<int>(kSize));
  const std::vector<ckks::SeededCiphertext> query = client.first(x);

  const auto prepared =
      std::make_shared<const circuit::CkksCircuit>(plan.context, plan.programs[0], plan.program_plans[0]);
  const ckks::Evaluator evaluator(plan.context);
  circuit::CkksRun run(prepared, keys);
  run.supply(0, {evaluator.expand(query.front())});
  // This circuit asks the client nothing in between, so one call goes to the end (example 4 has a circuit that asks).
  if (run.advance(2, nullptr) != circuit::CkksRun::State::finished) return NAN;
  return client.result(run.take_results()).front();
}

}  // namespace

int main() {
  const circuit::Plan plan = circuit::make_plan([](std::size_t slots) { return std::vector{network(slots)}; },
                                                {.max_value = 16, .min_precision_bits = 8});
  const circuit::Program& program = plan.programs[0];
  const circuit::ProgramPlan& cost = plan.program_plans[0];
  std::printf("%zu nodes, depth %d: N = 2^%d, log2(QP) = %.1f, %zu rotation keys; %zu rotations, %zu products\n",
              program.nodes.size(), cost.depth.number(), plan.context->log_n(), plan.context->log_qp(),
              plan.keys.rotations.size(), cost.counts.rotations, cost.counts.ciphertext_products);

  std::vector<double> x(kSize);
  for (std::size_t i = 0; i < kSize; ++i) x[i] = std::cos(0.7 * static_cast<double>(i));
  double exact = 0;  // with the sigmoid itself
  for (std::size_t row = 0; row < kSize; ++row) {
    double sum = 0;
    for (std::size_t column = 0; column < kSize; ++column) sum += weight(row, column) * x[column];
    exact += output_weight(row) * sigmoid(sum);
  }

  const double clear = circuit::run_clear(program, x, static_cast<int>(kSize)).logits.front();
  const circuit::NoiseModel noise{.context = plan.context.get(), .plan = &cost, .seed = 1};
  const double simulated = circuit::run_clear(program, x, static_cast<int>(kSize), noise).logits.front();
  const double decrypted = encrypted(plan, x);
  const auto line = [&](const char* name, double value, double reference, const char* of) {
    std::printf("%-22s %.8f   off %s by 2^%.1f\n", name, value, of, std::log2(std::abs(value - reference)));
  };
  std::printf("%-22s %.8f\n", "the function itself", exact);
  line("clear", clear, exact, "the function");
  line("clear, simulated noise", simulated, clear, "clear");
  line("on ciphertexts", decrypted, clear, "clear");
  std::printf("predicted              an error of deviation 2^%.1f\n", -*cost.result_bits);

  const double bound = 16 * std::exp2(-*cost.result_bits);
  const bool right =
      std::abs(clear - exact) < 1e-3 && std::abs(simulated - clear) < bound && std::abs(decrypted - clear) < bound;
  return right ? 0 : 1;
}
