#include "thex/circuit/library/matrix.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace thex::circuit {
namespace {

int floor_div(int a, int b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

// Writes diagonal number `number` as it is seen from before its giant rotation by `shift`: slot p carries
// diagonal[p - shift].
void fill_shifted(const Diagonals& map, std::size_t number, int shift, std::span<double> out) {
  map.fill(map.deltas[number], out);
  const auto period = static_cast<std::ptrdiff_t>(map.period);
  const std::ptrdiff_t from = ((-shift % period) + period) % period;
  if (from == 0) return;
  for (std::ptrdiff_t begin = 0; begin < static_cast<std::ptrdiff_t>(out.size()); begin += period) {
    const auto first = out.begin() + begin;
    std::rotate(first, first + from, first + period);
  }
}

}  // namespace

Entries scaled(const Entries& entries, double factor) {
  if (!entries || factor == 1) return entries;
  return [entries, factor](std::size_t r, std::size_t c) { return factor * entries(r, c); };
}

Components scaled(const Components& components, double factor) {
  if (!components || factor == 1) return components;
  return [components, factor](std::size_t p) { return factor * components(p); };
}

Diagonals diagonals_of(std::size_t period, std::map<int, Components> at, double magnitude) {
  Diagonals map{.period = period, .magnitude = magnitude};
  bool known = true;
  for (const auto& [delta, components] : at) {
    map.deltas.push_back(delta);
    known = known && components;
  }
  if (known)
    map.fill = [at = std::move(at)](int delta, std::span<double> out) {
      const Components& components = at.at(delta);
      for (std::size_t p = 0; p < out.size(); ++p) out[p] = components(p);
    };
  return map;
}

Diagonals scaled(Diagonals map, double factor) {
  if (map.fill && factor != 1)
    map.fill = [fill = std::move(map.fill), factor](int delta, std::span<double> out) {
      fill(delta, out);
      for (double& x : out) x *= factor;
    };
  map.magnitude *= std::abs(factor);
  map.gain *= std::abs(factor);
  return map;
}

PlainVector vector_of(std::size_t period, Components f) {
  if (!f) return {period, nullptr};
  return {period, [f = std::move(f)](std::span<double> out) {
            for (std::size_t p = 0; p < out.size(); ++p) out[p] = f(p);
          }};
}

PlainVector complex_vector_of(std::size_t period, Components f, Components g) {
  PlainVector vector{.period = period, .complex = true};
  if (f || g)
    vector.fill = [f = std::move(f), g = std::move(g), period](std::span<double> out) {
      for (std::size_t p = 0; p < period; ++p) {
        out[p] = f ? f(p) : 0;
        out[period + p] = g ? g(p) : 0;
      }
    };
  return vector;
}

Diagonals pair_of(const Diagonals& a, const Diagonals& b) {
  Diagonals pair{.period = std::max(a.period, b.period), .complex = true};
  std::ranges::set_union(a.deltas, b.deltas, std::back_inserter(pair.deltas));
  pair.magnitude = std::hypot(a.magnitude, b.magnitude);
  pair.gain = std::hypot(a.gain, b.gain) / std::sqrt(2.0);
  // Of either with diagonals, none may be without values.
  const auto known = [](const Diagonals& d) { return d.deltas.empty() || d.fill; };
  if (known(a) && known(b) && !pair.deltas.empty())
    pair.fill = [a, b](int delta, std::span<double> out) {
      const std::size_t half = out.size() / 2;
      const auto part = [&](const Diagonals& d, std::span<double> to) {
        if (!std::ranges::binary_search(d.deltas, delta)) {
          std::ranges::fill(to, 0.0);
          return;
        }
        d.fill(delta, to.first(d.period));
        for (std::size_t p = d.period; p < to.size(); ++p) to[p] = to[p - d.period];
      };
      part(a, out.first(half));
      part(b, out.subspan(half));
    };
  return pair;
}

Diagonals dense(std::size_t size, const Entries& entries, const Rows& rows, std::size_t outputs) {
  using enum Rows::Kind;
  outputs = std::min(outputs, size);
  const std::size_t width = rows.kind == of_two ? 2 * size : size;
  const bool cyclic = rows.kind != of_one;
  Diagonals d{.period = width * rows.stacked};
  for (int k = cyclic ? 0 : 1 - static_cast<int>(outputs); k < static_cast<int>(size); ++k) d.deltas.push_back(k);
  if (entries)
    d.fill = [=](int k, std::span<double> out) {
      for (std::size_t p = 0; p < out.size(); ++p) {
        const std::size_t matrix = p / width, row = p % width,
                          column = row + static_cast<std::size_t>(k);  // wraps around zero: outside
        out[p] = row < outputs && (cyclic || column < size) ? entries(row + matrix * size, column % size) : 0.0;
      }
    };
  return d;
}

namespace {

// A map's diagonals as baby steps and giant steps.
struct Step {
  bool from_copy;   // from a copy of the input that was turned
  int baby, giant;  // index of the giant step
};
Step step_of(int delta, int baby, int turn, bool turned) {
  const bool from_copy = turned && delta < 0;
  const int step = from_copy ? delta + turn : delta, giant = floor_div(step, baby);
  return {from_copy, step - giant * baby, giant};
}

int lowest(const Diagonals& map) { return map.deltas.empty() ? 0 : map.deltas.front(); }

// What decides a map's terms: each run of consecutive offsets by its ends.
std::vector<int> shape_of(const std::vector<Diagonals>& maps, int baby, int turn) {
  std::vector<int> shape{baby, turn};
  for (const Diagonals& map : maps) {
    const std::size_t begin = shape.size();
    shape.push_back(0);  // runs
    for (const int delta : map.deltas) {
      if (shape.size() > begin + 1 && shape.back() + 1 == delta) {
        shape.back() = delta;
      } else {
        shape.insert(shape.end(), {delta, delta});
        ++shape[begin];
      }
    }
  }
  return shape;
}

TransformTerms terms_of(const std::vector<Diagonals>& maps, int baby, int turn) {
  std::map<int, std::vector<TransformTerms::Term>> giants;  // giant index -> its inner sum
  std::size_t copies = 0;
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const bool turned = turn > 0 && lowest(maps[i]) < 0;
    if (turned) ++copies;
    for (std::size_t k = 0; k < maps[i].deltas.size(); ++k) {
      const Step step = step_of(maps[i].deltas[k], baby, turn, turned);
      giants[step.giant].push_back({.input = static_cast<std::uint32_t>(step.from_copy ? maps.size() + copies - 1 : i),
                                    .steps = step.baby,
                                    .set = static_cast<std::uint32_t>(i),
                                    .number = static_cast<std::uint32_t>(k)});
    }
  }
  return {baby, std::move(giants)};
}

}  // namespace

LinearMap::LinearMap(Builder& builder, std::vector<Diagonals> maps, int baby, Negative negative) {
  if (negative == Negative::turned_input)
    for (const Diagonals& map : maps) turn_ = std::max(turn_, -floor_div(lowest(map), baby) * baby);
  auto terms = builder.terms(shape_of(maps, baby, turn_), [&] { return terms_of(maps, baby, turn_); });
  auto factors = std::make_shared<std::vector<PlainSet>>();
  factors->reserve(maps.size());
  for (std::size_t i = 0; i < maps.size(); ++i) {
    Diagonals& map = maps[i];
    const bool turned = turn_ > 0 && lowest(map) < 0;
    if (turned) turned_.push_back(i);
    PlainSet& set = factors->emplace_back();
    set.count = map.deltas.size();
    set.period = map.period;
    set.complex = map.complex;
    set.magnitude = map.magnitude;
    set.gain = map.gain;
    if (map.fill)
      set.fill = [map = std::move(map), baby, turn = turn_, turned](std::size_t number, std::span<double> out) {
        fill_shifted(map, number, step_of(map.deltas[number], baby, turn, turned).giant * baby, out);
      };
  }
  transform_ = builder.transform({.terms = std::move(terms), .factors = std::move(factors)});
}

Value LinearMap::apply(Builder& builder, std::span<const Value> given) const {
  std::vector<Value> inputs(given.begin(), given.end());
  for (const std::size_t i : turned_) inputs.push_back(builder.rotate(given[i], -turn_));
  return builder.linear_transform(transform_, inputs);
}

std::vector<Value> weighted_sums(Builder& builder, std::span<const Value> inputs, const PlainSet& factors,
                                 const std::vector<std::vector<WeightedTerm>>& outputs) {
  const auto shared = std::make_shared<const std::vector<PlainSet>>(1, factors);
  std::vector<Value> results;
  for (const std::vector<WeightedTerm>& output : outputs) {
    std::vector<TransformTerms::Term> terms;
    for (const WeightedTerm& term : output)
      terms.push_back({.input = static_cast<std::uint32_t>(term.input),
                       .steps = term.steps,
                       .number = static_cast<std::uint32_t>(term.number)});
    const TransformId transform =
        builder.transform({.terms = std::make_shared<const TransformTerms>(
                               0, std::map<int, std::vector<TransformTerms::Term>>{{0, std::move(terms)}}),
                           .factors = shared});
    results.push_back(builder.linear_transform(transform, inputs));
  }
  return results;
}

Value rotate_and_sum(Builder& builder, Value x, int first, int last, int at_once) {
  int left = 0;
  for (int s = first; s >= last; s /= 2) ++left;
  for (int s = first; left > 0;) {
    const int taken = left % at_once == 0 ? at_once : left % at_once;
    s >>= taken - 1;
    if (taken == 1) {
      x = builder.add(x, builder.rotate(x, s));
    } else {
      std::vector<int> steps(std::size_t{1} << taken);
      for (std::size_t k = 0; k < steps.size(); ++k) steps[k] = s * static_cast<int>(k);
      x = builder.sum_of_rotations(std::vector<Value>(steps.size(), x), steps);
    }
    s /= 2, left -= taken;
  }
  return x;
}

}  // namespace thex::circuit
