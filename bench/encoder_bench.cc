// One sentence through the encrypted encoder: the server's work, the client's work, and where the server's time goes.
//
// The embedded models, or the folder THEX_MODEL for the protocols that it has (times do not depend on values).
// Arguments: tokens and sentences of a query, server threads. THEX_PROFILE=1 prints the time of each step and operation
// of the last run to stderr, beside the least time that the step's counted work could take on this machine
// (thex/measure/bound.h).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "thex/circuit/accounting.h"
#include "thex/circuit/run/ckks_run.h"
#include "thex/circuit/secret/client_turn.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/secret/secret.h"
#include "thex/encoder/inference_plan.h"
#include "thex/measure/bound.h"

namespace thex {
namespace {

std::shared_ptr<const model::Model> model_for(model::Protocol protocol) {
  if (const char* const folder = std::getenv("THEX_MODEL"))
    return std::make_shared<const model::Model>(model::load_model(folder, model::Part::server));
  const char* const folder = row_of(protocol).polynomial() ? "bert-tiny-sst2" : "bert-tiny-sst2-the-x";
  return std::make_shared<const model::Model>(
      model::load_model(std::filesystem::path(THEX_SOURCE_DIR) / "models" / folder, model::Part::server));
}

struct Session {
  encoder::InferencePlan inference;
  ckks::secret::SecretKey key;
  std::shared_ptr<const ckks::EvaluationKeys> keys;
  std::size_t hidden;
};

Session make_session(model::Protocol protocol) {
  encoder::PlanRequest request(128);
  request.protocol = protocol;
  const std::shared_ptr<const model::Model> model = model_for(protocol);
  encoder::InferencePlan inference = encoder::plan_inference(model, request);
  ring::Prng prng;
  auto key = ckks::secret::SecretKey::generate(inference.circuits.context, prng);
  auto keys = std::make_shared<const ckks::EvaluationKeys>(
      ckks::secret::make_evaluation_keys(key, inference.circuits.keys, prng));
  return Session{std::move(inference), std::move(key), std::move(keys), static_cast<std::size_t>(model->config.hidden)};
}

template <model::Protocol protocol>
const Session& session() {
  static const Session instance = make_session(protocol);
  return instance;
}

const char* name(circuit::Op op) {
  switch (op) {
    case circuit::Op::add_plain:
      return "add_plain/align";
    case circuit::Op::refresh:
      return "fresh";
    default:
      return circuit::name_of(op);
  }
}

// One thread: the work is shared out, not less.
double bound_ms(const measure::Work& work, measure::Machine& machine) {
  return 1e3 * measure::bound_seconds(work, machine, 1);
}

void print_bounds(const std::vector<circuit::NodeTime>& profile, const circuit::Program& program,
                  const circuit::ProgramPlan& plan, const circuit::Plan& p) {
  measure::Machine machine;
  std::map<std::string, double> measured;
  for (const auto& t : profile) measured[t.label] += t.seconds;
  const char* const names[] = {"decompositions",
                               "products with keys",
                               "divisions by P",
                               "rescales",
                               "plain products in transforms",
                               "other products",
                               "sums"};
  std::vector<std::pair<double, measure::Work>> parts(std::size(names));
  measure::Work all;
  std::fprintf(stderr, "  %-28s %8s %8s %6s\n", "step", "ms", "bound", "ratio");
  for (const circuit::StepCost& step : circuit::step_costs(program, plan, p.spec)) {
    measure::Work sum;
    for (const auto& [level, w] : step.work) {
      const measure::WorkOf of(*p.context, level.limbs());
      const double n = static_cast<double>(p.context->n());
      const std::pair<double, measure::Work> counted[] = {
          {w.decompositions, of.decompose()},
          {w.key_products, of.key_product()},
          {w.divisions, 0.5 * of.mod_down()},
          {w.rescales, of.rescale()},
          {w.transform_products, of.transform_product()},
          {w.products, measure::Work{.multiply_adds = n} + of.limbs_moved(1)},
          {w.sums, measure::Work{.sums = n} + of.limbs_moved(3)}};
      for (std::size_t i = 0; i < parts.size(); ++i) {
        const measure::Work work = counted[i].first * counted[i].second;
        sum = sum + work;
        parts[i].first += counted[i].first;
        parts[i].second = parts[i].second + work;
      }
    }
    all = all + sum;
    const double ms = 1e3 * measured[step.label], bound = bound_ms(sum, machine);
    std::fprintf(stderr, "  %-28s %8.1f %8.1f %6.2f\n", step.label.c_str(), ms, bound, ms / bound);
  }
  for (std::size_t i = 0; i < parts.size(); ++i)
    std::fprintf(stderr, "  %-28s %8.0f x, bound %8.1f ms\n", names[i], parts[i].first,
                 bound_ms(parts[i].second, machine));
  std::fprintf(stderr, "  bound of all %.1f ms\n", bound_ms(all, machine));
}

void print_profile(std::vector<circuit::NodeTime> profile, double estimated) {
  std::sort(profile.begin(), profile.end(), [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
  double total = 0;
  std::map<std::string, double> by_op;
  for (const auto& t : profile) total += t.seconds, by_op[name(t.op)] += t.seconds;
  std::fprintf(stderr, "server busy %.1f ms (all threads), planner's estimate %.1f ms\n", 1e3 * total, 1e3 * estimated);
  for (const auto& [op, seconds] : by_op) std::fprintf(stderr, "  %-16s %8.1f ms\n", op.c_str(), 1e3 * seconds);
  for (const auto& t : profile)
    if (t.seconds > 0.005 * total)
      std::fprintf(stderr, "  %-28s %-16s %5zu x %8.3f ms = %8.1f ms\n", t.label.c_str(), name(t.op), t.count,
                   1e3 * t.seconds / static_cast<double>(std::max<std::size_t>(t.count, 1)), 1e3 * t.seconds);
}

template <model::Protocol protocol>
void encoder(benchmark::State& state) {
  const Session& s = session<protocol>();
  const encoder::QueryShape shape{static_cast<int>(state.range(0)), static_cast<int>(state.range(1))};
  const int threads = static_cast<int>(state.range(2));
  const auto sentences = static_cast<std::size_t>(shape.sentences);
  const auto found = std::ranges::find(s.inference.shapes, shape);
  if (found == s.inference.shapes.end()) return state.SkipWithError("the plan has no such query");
  const auto bucket = static_cast<std::size_t>(found - s.inference.shapes.begin());
  const circuit::Program& program = s.inference.circuits.programs[bucket];
  const circuit::ProgramPlan& levels = s.inference.circuits.program_plans[bucket];
  const ckks::ContextPtr context = s.inference.circuits.context;
  const auto prepared = std::make_shared<const circuit::CkksCircuit>(context, program, levels);
  const ckks::Evaluator evaluator(context);
  const circuit::ClientTurn client(s.inference.circuits, bucket, s.key, std::vector<int>(sentences, shape.tokens));
  double client_seconds = 0;
  const auto timed = [&](const auto& turn) {
    const auto start = std::chrono::steady_clock::now();
    const std::vector<ckks::SeededCiphertext> seeded = turn();
    client_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::vector<ckks::Ciphertext> out;
    for (const auto& c : seeded) out.push_back(evaluator.expand(c));
    return out;
  };
  const auto exchange = [&](std::size_t step, std::vector<ckks::Ciphertext> inputs) {
    return timed([&] { return client.answer(step, inputs); });
  };
  std::vector<double> embeddings(sentences * static_cast<std::size_t>(shape.tokens) * s.hidden);
  for (std::size_t i = 0; i < embeddings.size(); ++i) embeddings[i] = std::sin(static_cast<double>(i));
  circuit::run_with_client(prepared, s.keys, timed([&] { return client.first(embeddings); }), exchange, 2);
  client_seconds = 0;
  std::optional<circuit::RunProfile> profile;
  for (auto _ : state) {
    auto first = timed([&] { return client.first(embeddings); });
    profile.emplace();
    benchmark::DoNotOptimize(
        circuit::run_with_client(prepared, s.keys, std::move(first), exchange, threads, &*profile));
  }
  state.counters["client_ms"] = benchmark::Counter(1e3 * client_seconds, benchmark::Counter::kAvgIterations);
  state.counters["plain_MB"] = static_cast<double>(prepared->plaintext_bytes()) / 1e6;
  state.counters["pool_peak_MB"] = static_cast<double>(ring::pool_statistics().peak_in_use) / 1e6;
  if (std::getenv("THEX_PROFILE")) {
    print_profile(profile->times(), levels.estimated_seconds);
    print_bounds(profile->times(), program, levels, s.inference.circuits);
  }
}
BENCHMARK(encoder<model::Protocol::the_x>)
    ->Name("the-x")
    ->ArgNames({"tokens", "sentences", "threads"})
    ->ArgsProduct({{16, 32, 64, 128}, {1}, {1, 2}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
// Single sentences and batches.
void polynomial_shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"tokens", "sentences", "threads"})
      ->ArgsProduct({{16, 32, 64, 128}, {1}, {1, 2}})
      ->ArgsProduct({{16}, {8}, {1, 2}})
      ->ArgsProduct({{32}, {4}, {1, 2}})
      ->ArgsProduct({{64}, {2}, {1, 2}})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}
BENCHMARK(encoder<model::Protocol::one_round>)->Name("one-round")->Apply(polynomial_shapes);
BENCHMARK(encoder<model::Protocol::masked_rounds>)->Name("masked-rounds")->Apply(polynomial_shapes);

}  // namespace
}  // namespace thex
