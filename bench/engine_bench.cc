// The cases of thex/measure/engine_cases.h under Google Benchmark; `thex bench` runs the same ones by itself.
// Counter x_bound: time / the least time that the counted work takes on this machine (thex/measure/bound.h).
// Run: build-bench/engine_bench; THEX_ISA=portable|avx2|avx512ifma selects the kernels.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "thex/measure/engine_cases.h"

namespace {

using namespace thex::measure;

// Measured once, outside the timed loops.
Machine& machine() {
  static Machine instance;
  return instance;
}

void run(benchmark::State& state, const Case& which, std::unique_ptr<Prepared>& prepared) {
  if (!prepared) prepared = std::make_unique<Prepared>(which.prepare());
  const double bound = bound_seconds(prepared->work, machine(), which.threads);
  const double start = wall_clock();
  for (auto _ : state) prepared->run();
  state.counters["x_bound"] = (wall_clock() - start) / static_cast<double>(state.iterations()) / bound;
  if (prepared->plaintext_bytes != 0) {
    state.counters["plain_MB"] = static_cast<double>(prepared->plaintext_bytes) / 1e6;
    state.counters["encode_s"] = prepared->encode_seconds;
  }
  if (prepared->operations != 1) {
    state.counters["s_each"] = benchmark::Counter(prepared->operations * static_cast<double>(state.iterations()),
                                                  benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  }
  state.SetLabel(machine().isa_name());
}

const bool registered = [] {
  for (const Case& c : engine_cases(static_cast<int>(std::max(1u, std::thread::hardware_concurrency())))) {
    const auto prepared = std::make_shared<std::unique_ptr<Prepared>>();
    benchmark::RegisterBenchmark(c.label().c_str(),
                                 [c, prepared](benchmark::State& state) { run(state, c, *prepared); })
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  }
  return true;
}();

}  // namespace
