#include "thex/measure/bound.h"

#include <algorithm>

namespace thex::measure {
namespace {

// Instructions for one vector of results.
// IFMA: a Shoup product is three multiply-adds, the sum of two products' high and low words two; sums and differences
// take the same two ports. AVX2: a product of doubles is exact as high and low word (two), its quotient one, the
// remainder one; sums can go elsewhere. Portable: high and low words of 64-bit products; sums can go elsewhere.
struct Costs {
  double butterfly, multiply_add, product, sum;
};
Costs costs(ring::Isa isa) {
  switch (isa) {
    case ring::Isa::avx512ifma:
      return {5, 2, 4, 3};
    case ring::Isa::avx2:
      return {4, 2, 4, 0};
    case ring::Isa::portable:
      break;
  }
  return {3, 1, 3, 0};
}

// Radix 4: 3 complex products of 4 and 8 complex sums of 2 vector instructions for 4 butterflies.
constexpr double kRealButterfly = (3 * 4 + 8 * 2) / 4.0;

}  // namespace

Work operator+(const Work& a, const Work& b) {
  return {a.butterflies + b.butterflies,
          a.multiply_adds + b.multiply_adds,
          a.products + b.products,
          a.sums + b.sums,
          a.real_butterflies + b.real_butterflies,
          a.bytes + b.bytes};
}

Work operator*(double f, const Work& a) {
  return {f * a.butterflies, f * a.multiply_adds, f * a.products, f * a.sums, f * a.real_butterflies, f * a.bytes};
}

double bound_seconds(const Work& work, Machine& machine, int threads) {
  const Costs cost = costs(machine.isa());
  const double integer = work.butterflies * cost.butterfly + work.multiply_adds * cost.multiply_add +
                         work.products * cost.product + work.sums * cost.sum;
  const double arithmetic = integer / (machine.integer_lanes() * machine.integer_rate()) +
                            work.real_butterflies * kRealButterfly / (machine.real_lanes() * machine.real_rate());
  const double bytes = work.bytes > 0 ? work.bytes / machine.transfer_rate(work.bytes, threads) : 0;
  return std::max(arithmetic / threads, bytes);
}

WorkOf::WorkOf(const ckks::Context& context, std::size_t limbs)
    : n_(static_cast<double>(context.n())),
      log_n_(context.log_n()),
      rows_(limbs, context.digit_limbs(), context.special_count()) {}

Work WorkOf::of(const circuit::RowWork& rows) const {
  return {.butterflies = rows.transforms * n_ / 2 * log_n_,
          .multiply_adds = (rows.conversions + rows.key_rows + rows.factors) * n_,
          .products = rows.products * n_};
}

Work WorkOf::transform() const { return {.butterflies = n_ / 2 * log_n_}; }
Work WorkOf::limbs_moved(double count) const { return {.bytes = count * limb_bytes()}; }

Work WorkOf::encode() const {
  return Work{.real_butterflies = n_ / 4 * (log_n_ - 1)} + rows_.limbs() * transform() + limbs_moved(rows_.limbs());
}

Work WorkOf::decompose() const { return of(rows_.decompose()); }

Work WorkOf::key_product() const { return of(rows_.key_product()) + limbs_moved(rows_.key_product().key_rows); }

Work WorkOf::mod_down() const { return of(2 * rows_.divide()); }

Work WorkOf::rotate() const { return decompose() + key_product() + mod_down() + limbs_moved(4 * rows_.limbs()); }

Work WorkOf::rotate_hoisted() const {
  const double digits = rows_.digits() * (rows_.limbs() + rows_.special());
  return key_product() + mod_down() + limbs_moved(digits + 3 * rows_.limbs());  // digits, c_0, and two results
}

Work WorkOf::linear_transform(double rotations, double giants, double factors) const {
  const Work giant_step = of(rows_.divide()) + decompose() + key_product();
  return decompose() + rotations * key_product() + factors * transform_product() + (giants - 1) * giant_step +
         of(2 * rows_.divide_rescale()) + limbs_moved(4 * rows_.limbs() - 2);
}

Work WorkOf::transform_product() const { return of(rows_.transform_factor()); }

Work WorkOf::multiply_relinearize() const {
  return rotate() + Work{.multiply_adds = 4 * rows_.limbs() * n_} + limbs_moved(2 * rows_.limbs());
}

Work WorkOf::rescale() const { return of(rows_.rescale()) + limbs_moved(4 * rows_.limbs() - 2); }

Work WorkOf::multiply_plain() const {
  return Work{.products = 2 * rows_.limbs() * n_} + limbs_moved(5 * rows_.limbs());
}
Work WorkOf::level(const circuit::LevelWork& w) const {
  return w.decompositions * decompose() + w.key_products * key_product() + (w.divisions / 2) * mod_down() +
         w.rescales * of(rows_.rescale()) + w.transform_products * transform_product() +
         Work{.products = w.products * n_, .sums = w.sums * n_};
}

Work WorkOf::add() const { return Work{.sums = 2 * rows_.limbs() * n_} + limbs_moved(6 * rows_.limbs()); }

Work circuit_work(const circuit::Program& program, const circuit::ProgramPlan& plan, const ckks::Context& context) {
  ckks::KeyRequirements keys;
  Work sum{.bytes = static_cast<double>(circuit::plaintext_bytes(program, plan, context.spec()))};
  for (const auto& [level, work] : circuit::account(program, plan, keys).work)
    sum = sum + WorkOf(context, level.limbs()).level(work);
  return sum;
}

}  // namespace thex::measure
