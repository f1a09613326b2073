// What this processor can do, measured in the running process: the rates behind the bounds of bound.h.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>

#include "thex/ring/kernels.h"
#include "thex/ring/memory_pool.h"

namespace thex::measure {

// Seconds of wall-clock and of processor time (all threads of the process).
double wall_clock();
double processor_clock();

class Machine {
 public:
  // Measures the multiplication rates of the instruction set of `kernels` on one thread (about 20 ms).
  explicit Machine(const ring::Kernels& kernels = ring::kernels());

  const std::string& model() const { return model_; }  // as /proc/cpuinfo names it
  int cores() const { return cores_; }                 // that this process may use
  ring::Isa isa() const { return isa_; }
  const char* isa_name() const { return isa_name_; }

  // Instructions a second on independent operands: the multiplication that residues are made of (IFMA: eight 52-bit
  // multiply-adds; AVX2: four fused multiply-adds of doubles; portable: one 64-bit multiplication with its high word),
  // and multiplication of vectors of doubles (eight, four, two).
  double integer_rate() const { return integer_rate_; }
  double real_rate() const { return real_rate_; }
  double integer_lanes() const;
  double real_lanes() const;

  // Bytes a second that `threads` threads together move in a buffer of `bytes` bytes: the faster of reading it and of
  // copying one half to the other (bytes read and bytes written). The size is rounded down to a power of two between
  // 16 KiB and 128 MiB. Measured on first use; not thread-safe.
  double transfer_rate(double bytes, int threads);

 private:
  std::string model_;
  int cores_ = 1;
  ring::Isa isa_;
  const char* isa_name_;
  double integer_rate_ = 0, real_rate_ = 0;
  std::map<std::pair<std::size_t, int>, double> transfer_rates_;
};

}  // namespace thex::measure
