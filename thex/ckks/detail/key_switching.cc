// Relinearisation, rotations and conjugation.
#include "thex/ckks/detail/key_switching.h"

#include <cstring>
#include <string>

#include "thex/base/error.h"
#include "thex/ckks/detail/checks.h"

namespace thex::ckks {

using ring::kernels;
using ring::Poly;

void check_key(const char* operation, const Context& context, const SwitchingKey& key, int level) {
  if (key.level < level) {
    throw Error(ErrorCode::keys, std::string(operation) + ": the key is made for level " + std::to_string(key.level) +
                                     ", but the ciphertext is at level " + std::to_string(level));
  }
  const std::size_t digits = context.digit_count(key.level);
  const std::size_t limbs = static_cast<std::size_t>(key.level) + 1 + context.special_count();
  bool good = key.level <= context.max_level() && key.b.size() == digits && key.a.size() == digits;
  for (std::size_t d = 0; good && d < digits; ++d) {
    good = key.b[d].n() == context.n() && key.a[d].n() == context.n() && key.b[d].limbs() == limbs &&
           key.a[d].limbs() == limbs;
  }
  if (!good) throw Error(ErrorCode::keys, std::string(operation) + ": the key was made for other CKKS parameters");
}

Decomposition decompose(const Context& context, const Poly& c, int level, const ParallelFor& parallel) {
  const DigitSource source(context, c, level, parallel);
  const std::size_t limbs = static_cast<std::size_t>(level) + 1 + context.special_count();
  Decomposition result;
  result.level = level;
  for (std::size_t d = 0; d < source.count(); ++d) result.digits.emplace_back(context.n(), limbs);
  // Transforms modulo one prime follow each other: their tables are larger than a row.
  parallel((limbs + kConversionGroup - 1) / kConversionGroup, [&](std::size_t group) {
    const std::size_t begin = group * kConversionGroup, end = std::min(begin + kConversionGroup, limbs);
    std::vector<std::size_t> targets;
    std::vector<Row> rows;
    for (std::size_t d = 0; d < source.count(); ++d) {
      targets.clear();
      rows.clear();
      for (std::size_t position = begin; position < end; ++position) {
        const std::size_t index = limb_prime(context, level, position);
        if (source.holds(d, index)) continue;
        targets.push_back(index);
        rows.push_back(result.digits[d].limb(position));
      }
      source.convert(d, rows, targets);
    }
    for (std::size_t position = begin; position < end; ++position) {
      const std::size_t index = limb_prime(context, level, position);
      for (std::size_t d = 0; d < source.count(); ++d) {
        const Row row = result.digits[d].limb(position);
        if (source.holds(d, index)) {
          std::memcpy(row, source.limb(index), context.n() * sizeof(std::uint64_t));
        } else {
          kernels().ntt_forward(row, context.ntt(index));
        }
      }
    }
  });
  return result;
}

namespace {

// Applies the automorphism to c_0 + switched c_1. An automorphism maps aligned power-of-two ranges of the bit-reversed
// NTT domain onto such ranges (the range fixes the exponent modulo a power of two), so each chunk of the result needs
// one chunk.
struct AutomorphismTask {
  const Context& context;
  const Ciphertext& a;
  const std::vector<std::uint32_t>& permutation;
  Ciphertext& result;

  std::size_t source(std::size_t b) const { return permutation[b * kKeySwitchChunk] / kKeySwitchChunk; }
  void before(const Chunk&, Row, Row) const {}
  Row destination(std::size_t, std::size_t) const { return nullptr; }
  void after(std::size_t b, const Chunk& c, Row row) const {
    if (c.p == 0) {
      kernels().add(row + c.offset, row + c.offset, a.parts[0].limb(c.index) + c.offset, c.count,
                    context.prime(c.index));
    }
    kernels().permute(result.parts[c.p].limb(c.index) + b * kKeySwitchChunk, row,
                      permutation.data() + b * kKeySwitchChunk, c.count);
  }
};

// Adds switched c_2 to c_0 and c_1.
struct RelinearizeTask {
  const Context& context;
  const Ciphertext& a;
  Ciphertext& result;

  std::size_t source(std::size_t b) const { return b; }
  void before(const Chunk&, Row, Row) const {}
  Row destination(std::size_t p, std::size_t i) const { return result.parts[p].limb(i); }
  void after(std::size_t, const Chunk& c, Row row) const {
    kernels().add(row + c.offset, row + c.offset, a.parts[c.p].limb(c.index) + c.offset, c.count,
                  context.prime(c.index));
  }
};

// The same before the division by P q_level: adds P c_0 and P c_1 (zero modulo the special primes).
struct RelinearizeRescaleTask {
  const Context& context;
  const Ciphertext& a;
  Ciphertext& result;

  std::size_t source(std::size_t b) const { return b; }
  void before(const Chunk& c, Row sum, Row spare) const {
    if (c.index >= context.spec().q_bits.size()) return;
    const ring::Modulus& q = context.prime(c.index);
    kernels().mul_scalar(spare, a.parts[c.p].limb(c.index) + c.offset, context.constants().p[c.index], c.count, q);
    kernels().add(sum, sum, spare, c.count, q);
  }
  Row destination(std::size_t p, std::size_t i) const { return result.parts[p].limb(i); }
  void after(std::size_t, const Chunk&, Row) const {}
};

Ciphertext two_parts(const Context& context, int level, double scale) {
  const std::size_t limbs = static_cast<std::size_t>(level) + 1;
  Ciphertext result;
  result.parts.emplace_back(context.n(), limbs);
  result.parts.emplace_back(context.n(), limbs);
  result.level = level;
  result.scale = scale;
  return result;
}

template <typename Task>
void switch_fresh(const Context& context, int level, const SwitchingKey& key, const Divisor& divisor, const Poly& c,
                  const Task& task) {
  FreshDigits digits(context, c, level);
  switch_key(context, key, divisor, digits, task);
}

const SwitchingKey& relinearization_key(const char* operation, const Context& context, const EvaluationKeys& keys,
                                        int level) {
  if (!keys.relinearization) {
    throw Error(ErrorCode::keys, std::string(operation) + ": no relinearisation key is present");
  }
  check_key(operation, context, *keys.relinearization, level);
  return *keys.relinearization;
}

Ciphertext automorphism(const Context& context, const Ciphertext& a, std::uint64_t g, const SwitchingKey& key) {
  Ciphertext result = two_parts(context, a.level, a.scale);
  switch_fresh(context, a.level, key, special_divisor(context, a.level), a.parts[1],
               AutomorphismTask{context, a, context.permutation(g), result});
  return result;
}

}  // namespace

Ciphertext Evaluator::relinearize(const Ciphertext& a, const EvaluationKeys& keys) const {
  check_shape("relinearize", *context_, a);
  if (a.parts.size() == 2) return a;
  const SwitchingKey& key = relinearization_key("relinearize", *context_, keys, a.level);
  Ciphertext result = two_parts(*context_, a.level, a.scale);
  switch_fresh(*context_, a.level, key, special_divisor(*context_, a.level), a.parts[2],
               RelinearizeTask{*context_, a, result});
  return result;
}

Ciphertext Evaluator::relinearize_rescale(const Ciphertext& a, const EvaluationKeys& keys) const {
  check_shape("relinearize_rescale", *context_, a);
  if (a.level == 0) refuse("relinearize_rescale", "the ciphertext is at level 0; no levels are left");
  if (a.parts.size() == 2) return rescale(a);
  const SwitchingKey& key = relinearization_key("relinearize_rescale", *context_, keys, a.level);
  const auto dropped = static_cast<double>(context_->prime(static_cast<std::size_t>(a.level)).value());
  Ciphertext result = two_parts(*context_, a.level - 1, a.scale / dropped);
  switch_fresh(*context_, a.level, key, rescaling_divisor(*context_, a.level), a.parts[2],
               RelinearizeRescaleTask{*context_, a, result});
  return result;
}

Ciphertext Evaluator::rotate(const Ciphertext& a, int steps, const EvaluationKeys& keys) const {
  check_shape("rotate", *context_, a, 2, 2);
  const std::uint64_t g = context_->galois_element(steps);
  if (g == 1) return a;
  const SwitchingKey& key = keys.rotation(*context_, steps, a.level);
  check_key("rotate", *context_, key, a.level);
  return automorphism(*context_, a, g, key);
}

Ciphertext Evaluator::conjugate(const Ciphertext& a, const EvaluationKeys& keys) const {
  check_shape("conjugate", *context_, a, 2, 2);
  const std::uint64_t g = context_->conjugation_element();
  const auto found = keys.galois.find(g);
  if (found == keys.galois.end()) throw Error(ErrorCode::keys, "conjugate: no conjugation key is present");
  check_key("conjugate", *context_, found->second, a.level);
  return automorphism(*context_, a, g, found->second);
}

Decomposition Evaluator::decompose(const Ciphertext& a) const {
  check_shape("decompose", *context_, a, 2, 2);
  return ckks::decompose(*context_, a.parts[1], a.level, serial_for);
}

Ciphertext Evaluator::rotate_hoisted(const Ciphertext& a, const Decomposition& digits, int steps,
                                     const EvaluationKeys& keys) const {
  check_shape("rotate_hoisted", *context_, a, 2, 2);
  const std::size_t limbs = static_cast<std::size_t>(a.level) + 1 + context_->special_count();
  bool good = digits.level == a.level && digits.digits.size() == context_->digit_count(a.level);
  for (const Poly& digit : digits.digits) good = good && digit.n() == context_->n() && digit.limbs() == limbs;
  if (!good) {
    refuse("rotate_hoisted", "a decomposition of " + std::to_string(digits.digits.size()) + " digits at level " +
                                 std::to_string(digits.level) + " for a ciphertext at level " +
                                 std::to_string(a.level));
  }
  const std::uint64_t g = context_->galois_element(steps);
  if (g == 1) return a;
  const SwitchingKey& key = keys.rotation(*context_, steps, a.level);
  check_key("rotate_hoisted", *context_, key, a.level);
  Ciphertext result = two_parts(*context_, a.level, a.scale);
  const Divisor divisor = special_divisor(*context_, a.level);
  switch_key(*context_, key, divisor, StoredDigits(*context_, digits),
             AutomorphismTask{*context_, a, context_->permutation(g), result});
  return result;
}

}  // namespace thex::ckks
