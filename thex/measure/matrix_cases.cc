#include "thex/measure/matrix_cases.h"

#include <cmath>
#include <utility>

#include "thex/circuit/library/matrix.h"
#include "thex/circuit/planner.h"
#include "thex/circuit/run/ckks_run.h"
#include "thex/ckks/encoder.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/secret/secret.h"

namespace thex::measure {
namespace {

constexpr int kLogN = 15;

struct Shape {
  std::size_t size;    // of the matrix, before padding to a power of two
  std::size_t padded;  // its diagonals
  int baby;
};

// Some matrix of that size; nothing but zeros around it.
circuit::Entries entries(const Shape& shape) {
  return [size = shape.size](std::size_t row, std::size_t column) {
    return row < size && column < size ? std::sin(static_cast<double>(row * size + column)) : 0.0;
  };
}

circuit::Program program(const Shape& shape, std::size_t slots, bool compact) {
  circuit::Builder builder(slots);
  std::vector<circuit::SlotSource> rows(slots);
  for (std::size_t i = 0; i < slots; ++i) {
    rows[i] = {0, i / (2 * shape.padded) * shape.padded + i % shape.padded, -1};
  }
  const circuit::Value x = builder.client_step("input", {}, {rows}, 0)[0];
  circuit::Diagonals diagonals = circuit::dense(shape.padded, entries(shape));
  if (!compact) {
    // The same diagonals as vectors of all slots.
    diagonals.fill = [inner = diagonals.fill, period = diagonals.period](int delta, std::span<double> out) {
      inner(delta, out.first(period));
      for (std::size_t p = period; p < out.size(); ++p) out[p] = out[p - period];
    };
    diagonals.period = slots;
  }
  const circuit::LinearMap map(builder, {std::move(diagonals)}, shape.baby);
  return std::move(builder).finish(map.apply(builder, x), {0});
}

// What a run needs, in the order in which it has to be made.
struct Transform {
  circuit::Plan plan;
  std::shared_ptr<const ckks::EvaluationKeys> keys;
  std::vector<ckks::Ciphertext> inputs;
  std::shared_ptr<const circuit::CkksCircuit> circuit;

  Transform(const Shape& shape, bool compact)
      : plan(circuit::make_plan(
            [&](std::size_t slots) {
              std::vector<circuit::Program> programs;
              programs.push_back(program(shape, slots, compact));
              return programs;
            },
            {.min_log_n = kLogN, .max_log_n = kLogN})) {
    ring::Prng prng(ring::Seed{9});
    const auto key = ckks::secret::SecretKey::generate(plan.context, prng);
    keys = std::make_shared<const ckks::EvaluationKeys>(ckks::secret::make_evaluation_keys(key, plan.keys, prng));
    const ckks::Encoder encoder(plan.context);
    const ckks::Evaluator evaluator(plan.context);
    const std::vector<double> values(plan.context->slots(), 0.5);
    for (const circuit::Travelling& t : circuit::to_server(plan.programs[0], plan.program_plans[0], 0)) {
      inputs.push_back(evaluator.expand(
          ckks::secret::encrypt(key, encoder.encode(values, t.level, plan.context->scale(t.scale_level)), prng)));
    }
  }
};

// One linear transform, and its plaintexts' bytes.
Work work_of(const Shape& shape, const Transform& transform) {
  const std::size_t limbs = transform.plan.program_plans[0].depth.limbs();
  const auto diagonals = static_cast<double>(shape.padded), baby = static_cast<double>(shape.baby);
  return WorkOf(*transform.plan.context, limbs).linear_transform(baby - 1, diagonals / baby, diagonals) +
         Work{.bytes = static_cast<double>(transform.circuit->plaintext_bytes())};
}

Prepared prepare(const Shape& shape, bool compact) {
  const auto transform = std::make_shared<Transform>(shape, compact);
  const double start = wall_clock();
  transform->circuit = std::make_shared<const circuit::CkksCircuit>(
      transform->plan.context, transform->plan.programs[0], transform->plan.program_plans[0]);
  Prepared prepared;
  prepared.encode_seconds = wall_clock() - start;
  prepared.plaintext_bytes = transform->circuit->plaintext_bytes();
  prepared.work = work_of(shape, *transform);
  prepared.run = [transform] {
    circuit::run_with_client(transform->circuit, transform->keys, transform->inputs, nullptr, 1);
  };
  return prepared;
}

}  // namespace

void add_matrix_cases(std::vector<Case>& cases) {
  for (const Shape& shape : {Shape{128, 128, 8}, Shape{768, 1024, 32}}) {
    for (const bool compact : {true, false}) {
      cases.push_back({.name = "matrix_" + std::to_string(shape.size) + (compact ? "_periodic" : "_full"),
                       .log_n = kLogN,
                       .limbs = 2,
                       .large = !compact && shape.padded > 512,
                       .prepare = [shape, compact] { return prepare(shape, compact); }});
    }
  }
}

}  // namespace thex::measure
