#include "thex/circuit/library/matrix.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace thex::circuit {
namespace {

int floor_div(int a, int b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

// The diagonal seen from before the giant rotation by `shift`: slot p carries diagonal[p - shift].
Components shifted(std::size_t period, const Components& diagonal, int shift) {
  if (!diagonal) return nullptr;
  return [diagonal, shift, period](std::size_t p) {
    return diagonal(static_cast<std::size_t>(static_cast<long>(p) - shift + static_cast<long>(period) * 4) % period);
  };
}

std::vector<NodeId> ids_of(std::span<const Value> values) {
  std::vector<NodeId> ids;
  for (Value v : values) ids.push_back(v.id());
  return ids;
}

// The sum of the terms, node by node. `rotated`: of the transform's rotations, those that were made already.
Value weighted_sum(Builder& builder, std::span<const Value> inputs, const std::vector<FusedTransform::Term>& terms,
                   std::vector<Value>& rotated) {
  std::vector<Value> values;
  std::vector<PlainId> plains;
  values.reserve(terms.size());
  plains.reserve(terms.size());
  for (const FusedTransform::Term& term : terms) {
    Value value = inputs[term.input];
    if (term.rotation >= 0) {
      Value& made = rotated[static_cast<std::size_t>(term.rotation)];
      if (made == Value()) made = builder.rotate(value, term.steps);
      value = made;
    }
    values.push_back(value);
    plains.push_back(term.plain);
  }
  return builder.weighted_sum(values, plains);
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

Diagonals scaled(Diagonals map, double factor) {
  for (auto* parts : {&map.at, &map.imaginary})
    for (auto& [delta, diagonal] : *parts) diagonal = scaled(diagonal, factor);
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
  // Either's components are defined for all p modulo the longer period.
  const auto repeated = [](const Diagonals& d) {
    std::map<int, Components> all;
    for (const auto& [delta, f] : d.at)
      all.emplace(delta, f ? [f = f, period = d.period](std::size_t p) { return f(p % period); } : Components());
    return all;
  };
  Diagonals pair{.period = std::max(a.period, b.period), .at = repeated(a), .imaginary = repeated(b)};
  pair.magnitude = std::hypot(a.magnitude, b.magnitude);
  pair.gain = std::hypot(a.gain, b.gain) / std::sqrt(2.0);
  return pair;
}

Diagonals dense(std::size_t size, const Entries& entries, const Rows& rows, std::size_t outputs) {
  using enum Rows::Kind;
  outputs = std::min(outputs, size);
  const std::size_t width = rows.kind == of_two ? 2 * size : size;
  const bool cyclic = rows.kind != of_one;
  Diagonals d{.period = width * rows.stacked};
  for (int k = cyclic ? 0 : 1 - static_cast<int>(outputs); k < static_cast<int>(size); ++k) {
    Components f;
    if (entries)
      f = [=](std::size_t p) {
        const std::size_t matrix = p / width, row = p % width,
                          column = row + static_cast<std::size_t>(k);  // wraps around zero: outside
        return row < outputs && (cyclic || column < size) ? entries(row + matrix * size, column % size) : 0.0;
      };
    d.at.emplace_hint(d.at.end(), k, std::move(f));
  }
  return d;
}

LinearMap::LinearMap(Builder& builder, std::vector<Diagonals> maps, int baby, Negative negative) : baby_(baby) {
  std::map<int, std::vector<FusedTransform::Term>> giants;  // giant index -> its inner sum
  const auto lowest = [](const Diagonals& map) {
    const int real = map.at.empty() ? 0 : map.at.begin()->first;
    return map.imaginary.empty() ? real : std::min(real, map.imaginary.begin()->first);
  };
  if (negative == Negative::turned_input)
    for (const Diagonals& map : maps) turn_ = std::max(turn_, -floor_div(lowest(map), baby) * baby);
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const Diagonals& map = maps[i];
    const bool turn = turn_ > 0 && lowest(map) < 0;
    if (turn) turned_.push_back(i);
    std::set<int> deltas;
    for (const auto* parts : {&map.at, &map.imaginary})
      for (const auto& [delta, components] : *parts) deltas.insert(delta);
    for (const int delta : deltas) {
      const bool from_copy = turn && delta < 0;
      const int step = from_copy ? delta + turn_ : delta, giant = floor_div(step, baby);
      const auto part = [&](const std::map<int, Components>& parts) {
        const auto it = parts.find(delta);
        return it == parts.end() ? Components() : shifted(map.period, it->second, giant * baby);
      };
      PlainVector vector = map.imaginary.empty() ? vector_of(map.period, part(map.at))
                                                 : complex_vector_of(map.period, part(map.at), part(map.imaginary));
      vector.magnitude = map.magnitude;
      vector.gain = map.gain;
      const PlainId plain = builder.plain(std::move(vector));
      giants[giant].push_back(
          {.input = from_copy ? maps.size() + turned_.size() - 1 : i, .steps = step - giant * baby, .plain = plain});
    }
  }
  terms_ = std::make_shared<const TransformTerms>(std::move(giants));
}

Value LinearMap::apply(Builder& builder, std::span<const Value> given) const {
  std::vector<Value> inputs(given.begin(), given.end());
  for (const std::size_t i : turned_) inputs.push_back(builder.rotate(given[i], -turn_));
  const std::map<int, std::vector<FusedTransform::Term>>& giants = terms_->at;
  std::vector<Value> rotated(terms_->rotations.size());
  const auto inner = [&](int giant) { return weighted_sum(builder, inputs, giants.at(giant), rotated); };
  // Horner from the outermost giant step towards zero, on either side.
  const auto chain = [&](int from, int direction) {
    Value acc = inner(from);
    int position = from;
    while (position != 0) {
      position += direction;
      acc = builder.rotate(acc, -direction * baby_);
      if (giants.contains(position) && (direction < 0 || position < 0)) acc = builder.add(acc, inner(position));
    }
    return acc;
  };
  const int lowest = giants.begin()->first, highest = giants.rbegin()->first;
  Value result;
  if (highest >= 0) result = chain(highest, -1);
  if (lowest < 0) {
    const Value negative = chain(lowest, +1);
    result = highest >= 0 ? builder.add(result, negative) : negative;
  }
  builder.fuse({.output = result.id(), .inputs = ids_of(inputs), .giant_step = baby_, .terms = terms_});
  return result;
}

std::vector<Value> weighted_sums(Builder& builder, std::span<const Value> inputs,
                                 const std::vector<std::vector<FusedTransform::Term>>& outputs) {
  const std::vector<NodeId> ids = ids_of(inputs);
  std::vector<Value> results;
  for (const std::vector<FusedTransform::Term>& terms : outputs) {
    const auto shared =
        std::make_shared<const TransformTerms>(std::map<int, std::vector<FusedTransform::Term>>{{0, terms}});
    std::vector<Value> rotated(shared->rotations.size());
    results.push_back(weighted_sum(builder, inputs, shared->at.at(0), rotated));
    builder.fuse({.output = results.back().id(), .inputs = ids, .terms = shared});
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
