// The engine's benchmarks as one list, for `thex bench` and for the Google Benchmark program bench/engine_bench.cc.
//
// Every case is one operation at one size and number of threads, with its work (bound.h). Parameters are 128-bit secure
// by construction, and have as few digits of key switching as the ring allows, which is the fastest.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "thex/ckks/context.h"
#include "thex/measure/bound.h"

namespace thex::measure {

// A case that is ready to run. `run` may be called any number of times and owns what it needs.
struct Prepared {
  std::function<void()> run;
  Work work;
  double operations = 1;            // how many of them are one run: times and bounds are stated for one
  std::size_t plaintext_bytes = 0;  // encoded constants of the operation, where it has many
  double encode_seconds = 0;        // and the time that it took to encode them
};

struct Case {
  std::string name;
  int log_n = 0;
  int limbs = 0;
  int threads = 1;
  bool large = false;  // more than half a gigabyte of memory: left out of quick runs
  std::function<Prepared()> prepare;

  // "rotate/2^16/24", with "/threads:2" where it applies.
  std::string label() const;
};

// All cases; those on several threads use `threads` of them (none when it is 1). Keys and ciphertexts are made when a
// case is prepared and shared by the cases of one size as long as the list or one of them lives.
std::vector<Case> engine_cases(int threads);

// The parameters of a size: primes of up to 46 bits and the fewest digits, at least two, that the 128-bit table admits.
ckks::ContextSpec engine_spec(int log_n, int limbs);

}  // namespace thex::measure
