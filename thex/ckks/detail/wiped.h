// Temporaries that hold secrets: overwritten with zeros when they go. Internal to ckks; client and server use them.
#pragma once

#include <sodium.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "thex/ckks/context.h"
#include "thex/ckks/detail/residues.h"
#include "thex/ring/kernels.h"
#include "thex/ring/poly.h"

namespace thex::ckks {

class WipedPoly {
 public:
  WipedPoly(std::size_t n, std::size_t limbs) : poly_(n, limbs) { poly_.mark_secret(); }
  WipedPoly(const WipedPoly&) = delete;
  WipedPoly& operator=(const WipedPoly&) = delete;
  std::uint64_t* limb(std::size_t i) { return poly_.limb(i); }

 private:
  ring::Poly poly_;
};

// Small secret coefficients (a ternary or Gaussian polynomial).
class WipedSmall {
 public:
  explicit WipedSmall(std::size_t n) : values_(n) {}
  ~WipedSmall() { sodium_memzero(values_.data(), values_.size()); }
  WipedSmall(const WipedSmall&) = delete;
  WipedSmall& operator=(const WipedSmall&) = delete;
  std::int8_t* data() { return values_.data(); }
  std::size_t size() const { return values_.size(); }

  // The residues modulo prime `index` of the context, NTT domain.
  void write_ntt(const Context& context, LimbIndex index, std::uint64_t* dst) const {
    residues_of_small(dst, values_.data(), values_.size(), context.prime(index));
    ring::kernels().ntt_forward(dst, context.ntt(index));
  }

 private:
  std::vector<std::int8_t> values_;
};

}  // namespace thex::ckks
