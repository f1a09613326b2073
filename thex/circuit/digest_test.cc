// Each thing that client and server must agree on changes the digest; nothing else does.
#include "thex/circuit/digest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "thex/base/hex.h"
#include "thex/circuit/levels.h"
#include "thex/circuit/library/matrix.h"

namespace thex::circuit {
namespace {

constexpr ckks::ContextSpec spec() {
  return {.log_n = 13, .q_bits = {38, 28, 28}, .p_bits = {43, 43}, .digit_limbs = 1, .log_scale = 28};
}

std::vector<SlotSource> sources(std::size_t count) {
  std::vector<SlotSource> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = {0, i % 4};
  return all;
}

// A program that has all of it: a pair, a linear transform, a sum of rotations, a turn of the client with a refresh.
Program all_kinds(std::size_t slots, double weight) {
  Builder b(slots);
  b.set_label("all");
  const Value x = b.client_step("input", {}, {sources(2 * slots)}, 4)[0];
  const auto [first, second] = b.twice_parts(x);
  const LinearMap map(b, {dense(4, [weight](std::size_t r, std::size_t c) { return weight * double(r + c); }, {})}, 2);
  const Value transformed = map.apply(b, first);
  const Value inputs[] = {transformed, b.multiply_integer(second, 3)};
  const Value back = b.client_step("relu", std::span(&transformed, 1), {sources(slots)}, 4)[0];
  const int steps[] = {1, 2};
  Value sum = b.sum_of_rotations(inputs, steps);
  sum = b.add(sum, b.multiply_plain(back, b.plain(vector_of(8, [](std::size_t) { return 0.5; }))));
  sum = b.add(sum, b.rotate(second, 5));
  return std::move(b).finish(std::span(&sum, 1), {{0, 0}, {0, 1}}, 8);
}

Plan planned(double weight = 1) {
  Plan plan;
  plan.spec = spec();
  plan.context = ckks::Context::create(plan.spec);
  plan.keys = {.rotations = {{1, 1}, {4, 2}}, .relinearization_level = 1, .conjugation_level = 2};
  plan.programs = {all_kinds(plan.context->slots(), weight), all_kinds(plan.context->slots(), weight)};
  for (const Program& program : plan.programs) {
    plan.program_plans.push_back(assign_levels(program));
    plan.program_plans.back().hiding = {.period = 8, .flooding_bits = 10, .zeros = 2};
  }
  return plan;
}

std::string digest_of(const Plan& plan) {
  Hasher hasher("thex test 1");
  update(hasher, plan);
  return hex(hasher.finish());
}

struct Change {
  const char* what;
  std::function<void(Plan&)> apply;
};

Program& program(Plan& plan) { return plan.programs[1]; }
ProgramPlan& program_plan(Plan& plan) { return plan.program_plans[1]; }

// The list with another entry; nodes have theirs in the program's storage.
void set(Program& program, std::span<const std::size_t>& list, std::size_t place, std::size_t value) {
  auto* const copy = static_cast<std::size_t*>(program.storage->allocate(list.size_bytes(), alignof(std::size_t)));
  std::ranges::copy(list, copy);
  copy[place] = value;
  list = {copy, list.size()};
}

// Another source of slot 5.
Change source(const char* what, const std::function<void(SlotSource&)>& change) {
  return {what, [change](Plan& plan) {
            SlotSources& sources = program(plan).steps[0].sources[0];
            sources = {sources.size(), [change, old = sources](std::size_t slot) {
                         SlotSource one = old[slot];
                         if (slot == 5) change(one);
                         return one;
                       }};
          }};
}

using Terms = std::map<int, std::vector<TransformTerms::Term>>;
Change terms(const char* what, const std::function<void(Terms&)>& change) {
  return {what, [change](Plan& plan) {
            Transform& transform = program(plan).transforms[0];
            Terms at = transform.terms->at;
            change(at);
            transform.terms = std::make_shared<const TransformTerms>(transform.terms->giant_step, std::move(at));
          }};
}

Change factors(const char* what, const std::function<void(PlainSet&)>& change) {
  return {what, [change](Plan& plan) {
            Transform& transform = program(plan).transforms[0];
            std::vector<PlainSet> factors = *transform.factors;
            change(factors[0]);
            transform.factors = std::make_shared<const std::vector<PlainSet>>(std::move(factors));
          }};
}

Node& node(Plan& plan, Op op) {
  for (Node& n : program(plan).nodes)
    if (n.op == op) return n;
  throw std::logic_error("the test's program lacks an operation");
}

Change parameters(const char* what, const std::function<void(ckks::ContextSpec&)>& change) {
  return {what, [change](Plan& plan) {
            change(plan.spec);
            plan.context = ckks::Context::create(plan.spec);
          }};
}

std::vector<Change> agreed_parameters() {
  return {
      parameters("ring", [](auto& s) { s.log_n = 14; }),
      parameters("number of primes", [](auto& s) { s.q_bits.push_back(28); }),
      parameters("size of a prime", [](auto& s) { s.q_bits[1] = 29; }),
      parameters("size of a special prime", [](auto& s) { s.p_bits[1] = 44; }),
      parameters("digits", [](auto& s) { s.digit_limbs = 2; }),
      parameters("scale", [](auto& s) { s.log_scale = 27; }),
      parameters("a wide prime",
                 [](auto& s) {
                   s.q_bits[1] = 40;
                   s.wide_q1 = true;
                 }),
      {"a rotation key's steps",
       [](Plan& p) {
         p.keys.rotations = {{2, 1}, {4, 2}};
       }},
      {"a rotation key's level", [](Plan& p) { p.keys.rotations[1] = 2; }},
      {"a rotation key more", [](Plan& p) { p.keys.rotations[7] = 1; }},
      {"relinearisation", [](Plan& p) { p.keys.relinearization_level = 2; }},
      {"conjugation", [](Plan& p) { p.keys.conjugation_level = -1; }},
  };
}

std::vector<Change> agreed_nodes() {
  return {
      {"slots", [](Plan& p) { program(p).slots *= 2; }},
      {"operation", [](Plan& p) { node(p, Op::twice_real).op = Op::twice_imaginary; }},
      {"input", [](Plan& p) { set(program(p), node(p, Op::add).inputs, 0, 0); }},
      {"plain vector of a node", [](Plan& p) { set(program(p), node(p, Op::weighted_sum).plains, 0, 1); }},
      {"rotation", [](Plan& p) { node(p, Op::rotate).steps += 1; }},
      {"integer factor", [](Plan& p) { node(p, Op::multiply_integer).factor = 5; }},
      {"step of a fresh value", [](Plan& p) { node(p, Op::fresh).step = 1; }},
      {"way of a refresh", [](Plan& p) { node(p, Op::fresh).refresh = static_cast<RefreshMethod>(1); }},
      {"output of a fresh value", [](Plan& p) { node(p, Op::fresh).output = 1; }},
      {"a node more",
       [](Plan& p) {
         static constexpr NodeId kInputs[] = {0, 0};
         program(p).nodes.push_back({.op = Op::add, .inputs = kInputs});
       }},
      {"level", [](Plan& p) { ++program_plan(p).level[0]; }},
      {"period of a plain vector", [](Plan& p) { program(p).plains[0].period *= 2; }},
      {"complex plain vector", [](Plan& p) { program(p).plains[0].complex = true; }},
      {"a plain vector more", [](Plan& p) { program(p).plains.push_back({}); }},
      {"transform of a node", [](Plan& p) { node(p, Op::linear_transform).transform += 1; }},
      {"transform's input", [](Plan& p) { set(program(p), node(p, Op::linear_transform).inputs, 0, 0); }},
      {"giant step",
       [](Plan& p) {
         Transform& transform = program(p).transforms[0];
         transform.terms = std::make_shared<const TransformTerms>(3, transform.terms->at);
       }},
      terms("a giant step less", [](Terms& at) { at.erase(0); }),
      terms("a diagonal less", [](Terms& at) { at[0].pop_back(); }),
      terms("input of a diagonal", [](Terms& at) { at[0][0].input = 1; }),
      terms("baby step", [](Terms& at) { at[0][0].steps += 1; }),
      terms("plain vector of a diagonal", [](Terms& at) { at[0][0].number += 1; }),
      terms("set of plain vectors of a diagonal", [](Terms& at) { at[0][0].set += 1; }),
      factors("number of factors", [](PlainSet& set) { set.count += 1; }),
      factors("period of factors", [](PlainSet& set) { set.period *= 2; }),
      factors("complex factors", [](PlainSet& set) { set.complex = true; }),
      {"no transform", [](Plan& p) { program(p).transforms.clear(); }},
      {"sum's input", [](Plan& p) { set(program(p), node(p, Op::rotation_sum).inputs, 0, 0); }},
      {"sum's rotation",
       [](Plan& p) {
         static constexpr int kOther[] = {1, 3};
         node(p, Op::rotation_sum).rotations = kOther;
       }},
  };
}

std::vector<Change> agreed_exchange() {
  return {
      {"what a step sends", [](Plan& p) { program(p).steps[1].inputs[0] += 1; }},
      {"what a step takes", [](Plan& p) { program(p).steps[1].outputs[0] += 1; }},
      {"refreshed by a step", [](Plan& p) { program(p).steps[1].refreshed.push_back(1); }},
      {"the client's function", [](Plan& p) { program(p).steps[1].function = ClientFunction::relu_cubed; }},
      {"values of a step", [](Plan& p) { program(p).steps[0].values += 1; }},
      source("source's vector", [](SlotSource& s) { s.input = kZeroSource; }),
      source("source's slot", [](SlotSource& s) { s.slot = 2; }),
      source("source's token", [](SlotSource& s) { s.token = 0; }),
      source("source's sentence", [](SlotSource& s) { s.sentence = 1; }),
      {"an output without sources", [](Plan& p) { program(p).steps[1].sources.clear(); }},
      {"results", [](Plan& p) { program(p).results[0] -= 1; }},
      {"place of a result", [](Plan& p) { program(p).result_slots[1].slot = 2; }},
      {"token of a result", [](Plan& p) { program(p).result_slots[1].token = 1; }},
      {"period of results", [](Plan& p) { program(p).result_period = 4; }},
      {"period that is shown", [](Plan& p) { program_plan(p).hiding->period = 4; }},
      {"flood", [](Plan& p) { program_plan(p).hiding->flooding_bits = 9; }},
      {"encryptions of zero", [](Plan& p) { program_plan(p).hiding->zeros = 1; }},
      {"answers not hidden", [](Plan& p) { program_plan(p).hiding.reset(); }},
      {"a program less", [](Plan& p) { p.programs.pop_back(), p.program_plans.pop_back(); }},
  };
}

TEST(PlanDigest, CoversAllThatIsAgreedOn) {
  std::map<std::string, std::string> seen{{digest_of(planned()), "nothing"}};
  for (const auto& list : {agreed_parameters(), agreed_nodes(), agreed_exchange()}) {
    for (const Change& change : list) {
      Plan plan = planned();
      change.apply(plan);
      const auto [it, inserted] = seen.emplace(digest_of(plan), change.what);
      EXPECT_TRUE(inserted) << "changed: " << change.what << "; the digest is that of: " << it->second;
    }
  }
}

TEST(PlanDigest, IsTheSameForTheSamePlan) { EXPECT_EQ(digest_of(planned()), digest_of(planned())); }

// Programs that share sources and terms have the digest of those that hold copies of them.
TEST(PlanDigest, DoesNotDependOnSharing) {
  Plan plan = planned();
  for (Program& p : plan.programs) {
    p.steps = plan.programs[0].steps;
    p.transforms = plan.programs[0].transforms;
  }
  EXPECT_EQ(digest_of(plan), digest_of(planned()));
}

TEST(PlanDigest, DoesNotDependOnValuesLabelsAndEstimates) {
  const std::string digest = digest_of(planned());
  EXPECT_EQ(digest_of(planned(7)), digest) << "other weights";
  for (const Change& change : std::vector<Change>{
           {"no weights", [](Plan& p) { program(p).plains[0].fill = nullptr; }},
           {"magnitudes", [](Plan& p) { program(p).plains[0].magnitude = 3, program(p).plains[0].gain = 2; }},
           {"assumed sizes", [](Plan& p) { program(p).nodes[1].assumed = {.weight = 3, .fresh = 2, .limit = 1}; }},
           {"labels", [](Plan& p) { program(p).steps[1].label = program(p).nodes[1].label = "other"; }},
           {"order of work", [](Plan& p) { program_plan(p).urgency[0] += 1; }},
           {"estimates", [](Plan& p) { program_plan(p).estimated_seconds = 3, p.key_bytes_memory = 1; }},
           {"prediction", [](Plan& p) { program_plan(p).result_bits = 10; }}}) {
    Plan plan = planned();
    change.apply(plan);
    EXPECT_EQ(digest_of(plan), digest) << change.what;
  }
}

}  // namespace
}  // namespace thex::circuit
