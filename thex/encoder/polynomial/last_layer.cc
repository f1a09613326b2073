// The last layer of a sentence: only the classifier's token is needed, so all rows hold its values and share the work.
#include <utility>

#include "thex/encoder/polynomial/builder.h"

namespace thex::encoder {

using circuit::Components;
using circuit::Diagonals;
using circuit::Entries;
using circuit::LinearMap;

// Row t computes piece t mod ffn_blocks of the feed-forward layer. The logits repeat through all slots in the end, so
// that a server shows no more than them (ckks/answer.h): slot p holds label p modulo label_period.
Value PolynomialBuilder::cls_logits(int layer, const Blocks& x_cls, const Blocks& context) {
  using enum circuit::Rows::Kind;
  const std::size_t half = layout_.half, width = layout_.width, pieces = layout_.ffn_blocks, labels = layout_.labels,
                    period = layout_.label_period();
  const circuit::Rows alike{.kind = layout_.parts == 2 ? of_two : of_one_alike},
      stacked{.kind = alike.kind, .stacked = pieces};
  const bool merged = merges();
  Blocks inputs = x_cls;
  for (const Value& value : context) inputs.push_back(doubled(value));
  Blocks x1 = doubled_all(attention_output(layer, inputs, alike, segments_.halves));
  if (segments_.halves) x1 = refreshed(layer, x1);
  set_attention_sum(layer, x1);
  x1 = normalised(layer, x1);
  if (!merged) inputs = x1;

  label(Step::intermediate, layer);
  const LinearMap map(b_,
                      merged ? joined(of_features(weights_.intermediate_of_input(layer), stacked),
                                      of_context(weights_.intermediate_of_attention(layer), stacked))
                             : of_features(weights_.intermediate(layer), stacked),
                      kBaby);
  Components constant = merged ? weights_.intermediate_constant(layer) : weights_.intermediate_bias(layer);
  if (constant)
    constant = [=, all = std::move(constant)](std::size_t p) {
      return p % width < half ? all(p / width * half + p % width) : 0.0;
    };
  const Value u = b_.add_plain(map.apply(b_, inputs), b_.plain(circuit::vector_of(width * pieces, constant)));
  set_size_of(layer, &model::LayerRanges::ffn, u);
  label(Step::square, layer);
  const Value hidden = doubled(b_.multiply(u, u));

  label(Step::classifier);
  // Beyond its end a row goes on with the next one's piece, so a single row mixes two of them; but in the sum over the
  // rows of a group every column gets all pieces. X1, in all rows the same, is read in the first row of a group only.
  const auto by_row = [&](const Entries& m, bool first_row_only) {
    Diagonals d{.period = width * pieces};
    for (std::size_t k = 0; k < half; ++k) d.deltas.push_back(static_cast<int>(k));
    if (m)
      d.fill = [=](int delta, std::span<double> out) {
        for (std::size_t p = 0; p < out.size(); ++p) {
          const std::size_t label = p % period, row = p / width,
                            read = (p + static_cast<std::size_t>(delta)) % (width * pieces);
          out[p] = label >= labels || (first_row_only && row > 0)
                       ? 0.0
                       : m(label, read % half + (first_row_only ? 0 : read / width * half));
        }
      };
    return d;
  };
  Maps maps{by_row(weights_.logits_of_intermediate(), false)};
  for (std::size_t group = 0; group < layout_.groups; ++group)
    maps.push_back(by_row(column_piece(weights_.logits_of_residual(), group), true));
  Blocks last_inputs{hidden};
  last_inputs.insert(last_inputs.end(), x1.begin(), x1.end());
  Value logits = LinearMap(b_, std::move(maps), kBaby).apply(b_, last_inputs);
  if (pieces > 1)
    logits = circuit::rotate_and_sum(b_, logits, static_cast<int>(width * pieces / 2), static_cast<int>(width));
  Components constant_of_label = weights_.logits_constant();
  if (constant_of_label)
    constant_of_label = [labels, all = std::move(constant_of_label)](std::size_t p) {
      return p < labels ? all(p) : 0.0;
    };
  return b_.add_plain(logits, b_.plain(circuit::vector_of(period, constant_of_label)));
}

}  // namespace thex::encoder
