#include "thex/circuit/digest.h"

#include "thex/ckks/digest.h"

namespace thex::circuit {
namespace {

void update(Hasher& to, const SlotSource& source) {
  const auto& [input, slot, token, sentence] = source;
  to.number(input);
  to.number(static_cast<std::uint32_t>(slot));
  to.number(token);
  to.number(sentence);
}

void update(Hasher& to, const PlainVector& plain) {
  const auto& [period, fill, complex, magnitude, gain] = plain;
  to.number(period);
  to.number(complex);
}

void update(Hasher& to, const Node& node) {
  const auto& [op, inputs, plains, steps, factor, step, output, label] = node;
  to.enumerator(op);
  to.numbers(inputs);
  to.numbers(plains);
  to.number(steps);
  to.number(factor);
  to.number(step);
  to.number(output);
}

void update(Hasher& to, const std::vector<SlotSource>& sources) {
  to.list(sources, [&](const SlotSource& source) { update(to, source); });
}

void update(Hasher& to, const ClientStep& client_step) {
  const auto& [label, inputs, outputs, sources, refreshed, function, values] = client_step;
  to.numbers(inputs);
  to.numbers(outputs);
  to.list(sources, [&](const std::vector<SlotSource>& of_output) { update(to, of_output); });
  to.numbers(refreshed);
  to.enumerator(function);
  to.number(values);
}

void update(Hasher& to, const FusedTransform& transform) {
  const auto& [output, inputs, giant_step, at] = transform;
  to.number(output);
  to.numbers(inputs);
  to.number(giant_step);
  to.list(at, [&](const auto& giant) {
    const auto& [index, terms] = giant;
    to.number(index);
    to.list(terms, [&](const FusedTransform::Term& term) {
      const auto& [input, steps, plain] = term;
      to.number(input);
      to.number(steps);
      to.number(plain);
    });
  });
}

void update(Hasher& to, const RotationSum& sum) {
  const auto& [output, inputs, steps] = sum;
  to.number(output);
  to.numbers(inputs);
  to.numbers(steps);
}

void update(Hasher& to, const Program& program) {
  const auto& [slots, nodes, plains, steps, transforms, rotation_sums, results, result_slots, result_period] = program;
  const auto each = [&](const auto& value) { update(to, value); };
  to.number(slots);
  to.list(nodes, each);
  to.list(plains, each);
  to.list(steps, each);
  to.list(transforms, each);
  to.list(rotation_sums, each);
  to.numbers(results);
  update(to, result_slots);
  to.number(result_period);
}

void update(Hasher& to, const ProgramPlan& plan) {
  const auto& [level, urgency, depth, counts, estimated_seconds, bytes_to_server, bytes_to_client, working_bytes,
               thread_bytes, result_bits, hiding] = plan;
  to.list(level, [&](ckks::Level l) { to.number(l.number()); });
  to.number(hiding.has_value());
  if (hiding) ckks::update(to, *hiding);
}

}  // namespace

void update(Hasher& to, const Plan& plan) {
  const auto& [spec, context, keys, programs, program_plans, key_bytes_wire, key_bytes_memory] = plan;
  ckks::update(to, *context);
  ckks::update(to, keys);
  const auto each = [&](const auto& value) { update(to, value); };
  to.list(programs, each);
  to.list(program_plans, each);
}

}  // namespace thex::circuit
