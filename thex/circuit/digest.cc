#include "thex/circuit/digest.h"

#include <map>

#include "thex/ckks/digest.h"

namespace thex::circuit {
namespace {

// The digests of what many vectors and transforms share, each found once. Sharing changes no digest.
class SharedParts {
 public:
  template <typename Add>
  void add(Hasher& to, const void* identity, const Add& add) {
    const auto [it, inserted] = digests_.try_emplace(identity);
    if (inserted) {
      Hasher part("thex plan part 1");
      add(part);
      it->second = part.finish();
    }
    to.bytes(it->second.data(), it->second.size());
  }

 private:
  std::map<const void*, Hasher::Digest> digests_;
};

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
  const auto& [op, inputs, plains, steps, factor, rotations, transform, step, output, refresh, label, assumed] = node;
  to.enumerator(op);
  to.numbers(inputs);
  to.numbers(plains);
  to.number(steps);
  to.number(factor);
  to.numbers(rotations);
  to.number(transform);
  to.number(step);
  to.number(output);
  to.enumerator(refresh);
}

void update(Hasher& to, const SlotSources& sources) {
  to.number(sources.size());
  for (std::size_t slot = 0; slot < sources.size(); ++slot) update(to, sources[slot]);
}

void update(Hasher& to, const ClientStep& client_step, SharedParts& shared) {
  const auto& [label, inputs, outputs, sources, refreshed, function, values] = client_step;
  to.numbers(inputs);
  to.numbers(outputs);
  to.list(sources, [&](const SlotSources& of_output) {
    shared.add(to, of_output.identity(), [&](Hasher& part) { update(part, of_output); });
  });
  to.numbers(refreshed);
  to.enumerator(function);
  to.number(values);
}

void update(Hasher& to, const TransformTerms& transform_terms) {
  const auto& [giant_step, at, count, rotations, uses] = transform_terms;
  to.number(giant_step);
  to.list(at, [&](const auto& giant) {
    const auto& [index, terms] = giant;
    to.number(index);
    to.list(terms, [&](const TransformTerms::Term& term) {
      const auto& [input, steps, set, number, rotation] = term;
      to.number(input);
      to.number(steps);
      to.number(set);
      to.number(number);
    });
  });
}

void update(Hasher& to, const std::vector<PlainSet>& factors) {
  to.list(factors, [&](const PlainSet& factor) {
    const auto& [count, period, fill, complex, magnitude, gain] = factor;
    to.number(count);
    to.number(period);
    to.number(complex);
  });
}

void update(Hasher& to, const Transform& transform, SharedParts& shared) {
  const auto& [terms, factors] = transform;
  shared.add(to, terms.get(), [&, &all = terms](Hasher& part) { update(part, *all); });
  shared.add(to, factors.get(), [&, &all = factors](Hasher& part) { update(part, *all); });
}

void update(Hasher& to, const Program& program, SharedParts& shared) {
  const auto& [slots, storage, nodes, plains, steps, transforms, results, result_slots, result_period, operands,
               sensitivities] = program;
  const auto each = [&](const auto& value) { update(to, value); };
  const auto each_sharing = [&](const auto& value) { update(to, value, shared); };
  to.number(slots);
  to.list(nodes, each);
  to.list(plains, each);
  to.list(steps, each_sharing);
  to.list(transforms, each_sharing);
  to.numbers(results);
  to.list(result_slots, each);
  to.number(result_period);
}

void update(Hasher& to, const ProgramPlan& plan) {
  const auto& [level, scale_level, urgency, depth, counts, estimated_seconds, bytes_to_server, bytes_to_client,
               working_bytes, thread_bytes, result_bits, statistical_bits, hiding] = plan;
  for (const std::vector<ckks::Level>* levels : {&level, &scale_level})
    to.list(*levels, [&](ckks::Level l) { to.number(l.number()); });
  to.number(hiding.has_value());
  if (hiding) ckks::update(to, *hiding);
}

}  // namespace

void update(Hasher& to, const Plan& plan) {
  const auto& [spec, context, keys, programs, program_plans, key_bytes_wire, key_bytes_memory] = plan;
  ckks::update(to, *context);
  ckks::update(to, keys);
  SharedParts shared;
  to.list(programs, [&](const Program& program) { update(to, program, shared); });
  to.list(program_plans, [&](const ProgramPlan& of_program) { update(to, of_program); });
}

}  // namespace thex::circuit
