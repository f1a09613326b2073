// extract-matrix [HIDDEN]: what a client of masked-rounds takes out of a server by lying. The model is random, of two
// layers, HIDDEN features (16) and as many hidden units. The client chooses the state before the last feed-forward
// layer and works out that layer's first matrix W1 from the logits alone. Prints how many queries it took and how near
// it came; exits with 1 when that is not near.
//
// The client gets m + r, the state under its mask, and answers with an encryption of m + r + d for a d of its choice;
// the server takes r off and goes on with x = m + d. m is the same whenever the text is. The logits are
//     f_l(x) = sum_k C(l, k) (w_k x + b_k)^2 + (D x)_l + e_l,
// w_k the rows of W1, C and D the classifier times what comes before it: polynomials of degree 2 in d with
// (H + 1) (H + 2) / 2 coefficients each. As many states d give, for all labels l at once,
//     Q_l = W1^T diag(C(l, .)) W1.
// For any two mixtures A, B of them A^-1 B = W1^-1 diag(..) W1, whose left eigenvectors are the rows of W1. Their order
// and lengths are not to be had: C and b make up for them.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/support/lying_client.h"
#include "tests/support/service_world.h"
#include "tests/support/small_matrix.h"
#include "thex/ckks/encoder.h"
#include "thex/encoder/polynomial/layout.h"
#include "thex/ring/kernels.h"
#include "thex/transport/in_process.h"
#include "thex/transport/session.h"

namespace thex::testing {
namespace {

using support::SmallMatrix;
using Vector = std::vector<double>;

constexpr std::size_t kLabels = 3;
constexpr int kRounds = 3;      // in which it looks for the scale
constexpr int kMixtures = 40;   // pairs of them that are tried
constexpr double kNear = 0.05;  // relative error; rows that have nothing to do with W1 have one near 1

// Answers for states of the client's choice, as many to a query as a batch has sentences.
class Oracle {
 public:
  Oracle(server::Service& service, const client::ClientModel& model, const client::ClientKeys& keys)
      : model_(model), keys_(keys), program_(model.plan.shapes.size() - 1), shape_(model.plan.shapes[program_]) {
    { const transport::Session brings_keys(transport::connect_in_process(service, "liar"), model, keys); }
    connection_ = transport::connect_in_process(service, "liar");
    greet(*connection_, model, keys);
  }

  // The logits for the server's own state plus each of `differences`.
  std::vector<Vector> ask(const std::vector<Vector>& differences) {
    std::vector<Vector> logits;
    for (std::size_t at = 0; at < differences.size(); at += sentences()) {
      const std::size_t count = std::min(sentences(), differences.size() - at);
      const Vector outputs = ask_once(std::span(differences).subspan(at, count));
      for (std::size_t s = 0; s < count; ++s)
        logits.emplace_back(outputs.begin() + static_cast<std::ptrdiff_t>(s * kLabels),
                            outputs.begin() + static_cast<std::ptrdiff_t>((s + 1) * kLabels));
    }
    return logits;
  }
  std::size_t sentences() const { return static_cast<std::size_t>(shape_.sentences); }
  int queries() const { return queries_; }

 private:
  Vector ask_once(std::span<const Vector> differences) {
    ++queries_;
    const circuit::Plan& plan = model_.plan.circuits;
    const encoder::PolynomialLayout layout(model_.model.config, static_cast<std::size_t>(shape_.tokens),
                                           plan.context->slots(), sentences());
    if (layout.groups != 1) throw Error(ErrorCode::usage, "more features than one ciphertext holds for all tokens");
    Vector slots(plan.context->slots());
    for (std::size_t i = 0; i < slots.size(); ++i) {
      const auto at = layout.position(i);
      const std::size_t sentence = layout.sentence(at.row);
      if (at.column < layout.hidden && sentence < differences.size()) slots[i] = differences[sentence][at.column];
    }
    // The last refresh is between attention and feed-forward of the last layer.
    const std::size_t last_step = plan.programs[program_].steps.size() - 1;
    const auto lie = [&](std::size_t step, std::vector<ckks::SeededCiphertext>& reply) {
      if (step != last_step) return;
      ckks::SeededCiphertext& c = reply.at(0);
      const ckks::Plaintext d = ckks::Encoder(plan.context).encode_full(slots, c.level, c.scale);
      for (const ckks::LimbIndex l : c.level.primes())
        ring::kernels().add(c.c0.limb(l), c.c0.limb(l), d.poly.limb(l), plan.context->n(), plan.context->prime(l));
    };
    const Vector no_text(sentences() * layout.bucket * layout.hidden, 0.0);
    LyingClient client(model_, keys_, program_, std::vector<int>(sentences(), 1), no_text, lie);
    play(*connection_, client);
    return client.outputs();
  }

  const client::ClientModel& model_;
  const client::ClientKeys& keys_;
  const std::size_t program_;  // the batch of the longest bucket
  const encoder::QueryShape shape_;
  std::unique_ptr<transport::Connection> connection_;
  int queries_ = 0;
};

Vector unit(std::size_t size, std::size_t place, double length) {
  Vector v(size, 0.0);
  v[place] = length;
  return v;
}

double largest_of(const std::vector<Vector>& logits) {
  double largest = 0;
  for (const Vector& of_state : logits)
    for (const double x : of_state) largest = std::max(largest, std::abs(x));
  return largest;
}

// So long that the logits fill a third of what the plan can represent: their noise does not grow with them.
double useful_length(Oracle& oracle, const client::ClientModel& model, std::size_t hidden) {
  double length = 10;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Vector> states;
    for (std::size_t i = 0; i < std::min(hidden, oracle.sentences()); ++i) states.push_back(unit(hidden, i, length));
    length *= std::sqrt(model.plan.largest_value() / 3 / largest_of(oracle.ask(states)));
  }
  return length;
}

// Q_l of each label, from f = q + linear + constant at points of that length.
std::vector<SmallMatrix> quadratic_forms(Oracle& oracle, std::size_t hidden, double length) {
  const double part = length / std::sqrt(2);  // of each of two features
  std::vector<Vector> points{Vector(hidden, 0.0)};
  for (const double along : {length, -length})
    for (std::size_t i = 0; i < hidden; ++i) points.push_back(unit(hidden, i, along));
  for (std::size_t i = 0; i < hidden; ++i)
    for (std::size_t j = 0; j < i; ++j) {
      points.push_back(unit(hidden, i, part));
      points.back()[j] = part;
    }
  const std::vector<Vector> f = oracle.ask(points);
  std::vector<SmallMatrix> forms;
  for (std::size_t l = 0; l < kLabels; ++l) {
    SmallMatrix q(hidden);
    Vector linear(hidden);
    std::size_t next = 1 + 2 * hidden;
    for (std::size_t i = 0; i < hidden; ++i) {
      const double forth = f[1 + i][l] - f[0][l], back = f[1 + hidden + i][l] - f[0][l];
      q(i, i) = (forth + back) / (2 * length * length);
      linear[i] = (forth - back) / (2 * length);
      for (std::size_t j = 0; j < i; ++j) {
        const double both = f[next++][l] - f[0][l] - part * (linear[i] + linear[j]);
        q(i, j) = q(j, i) = both / (2 * part * part) - (q(i, i) + q(j, j)) / 2;
      }
    }
    forms.push_back(std::move(q));
  }
  return forms;
}

// Of the entries of V^-T Q_l V^-1 the share that is not on the diagonal, in squares: 0 when V has the rows of W1.
double off_diagonal(const std::vector<SmallMatrix>& forms, const std::vector<Vector>& rows) {
  const std::size_t n = rows.size();
  SmallMatrix v(n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) v(i, j) = rows[i][j];
  std::vector<Vector> columns;  // of V^-1
  for (std::size_t k = 0; k < n; ++k) columns.push_back(support::solve(v, unit(n, k, 1)));
  double off = 0, all = 0;
  for (const SmallMatrix& q : forms)
    for (std::size_t a = 0; a < n; ++a)
      for (std::size_t b = 0; b < n; ++b) {
        double entry = 0;
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t j = 0; j < n; ++j) entry += columns[a][i] * q(i, j) * columns[b][j];
        all += entry * entry;
        if (a != b) off += entry * entry;
      }
  return off / all;
}

SmallMatrix mixture(const std::vector<SmallMatrix>& forms, support::Uniform& uniform) {
  SmallMatrix sum(forms[0].n);
  for (const SmallMatrix& q : forms) {
    const double share = uniform();
    for (std::size_t i = 0; i < q.values.size(); ++i) sum.values[i] += share * q.values[i];
  }
  return sum;
}

// The rows of W1 up to order and length, by the mixtures whose eigenvectors fit all forms best: noise turns those of
// eigenvalues that lie close together.
std::vector<Vector> rows_of(const std::vector<SmallMatrix>& forms) {
  const std::size_t n = forms[0].n;
  support::Uniform uniform(1);
  std::vector<Vector> best;
  double least = 1;
  for (int trial = 0; trial < kMixtures; ++trial) {
    const SmallMatrix a = mixture(forms, uniform), b = mixture(forms, uniform);
    SmallMatrix quotient(n);
    for (std::size_t j = 0; j < n; ++j) {
      Vector column(n);
      for (std::size_t i = 0; i < n; ++i) column[i] = b(i, j);
      column = support::solve(a, column);
      for (std::size_t i = 0; i < n; ++i) quotient(i, j) = column[i];
    }
    try {
      std::vector<Vector> rows = support::left_eigenvectors(quotient);
      if (const double off = off_diagonal(forms, rows); off < least) {
        least = off;
        best = std::move(rows);
      }
    } catch (const Error&) {  // or makes the eigenvalues complex
    }
  }
  if (best.empty()) throw Error(ErrorCode::internal, "the forms have no common factors");
  return best;
}

// Of all entries together, with the order and the lengths of the rows that come nearest.
double relative_error(const checkpoint::Tensor& truth, const std::vector<Vector>& rows) {
  const std::size_t n = rows.size();
  double error = 0, all = 0;
  for (std::size_t k = 0; k < n; ++k) {
    double square = 0, explained = 0;
    for (std::size_t i = 0; i < n; ++i) square += std::pow(truth.data[k * n + i], 2);
    for (const Vector& row : rows) {
      double dot = 0;
      for (std::size_t i = 0; i < n; ++i) dot += row[i] * static_cast<double>(truth.data[k * n + i]);
      explained = std::max(explained, dot * dot);
    }
    error += std::max(0.0, square - explained);
    all += square;
  }
  return std::sqrt(error / all);
}

int extract(int hidden) {
  ModelShape shape{.layers = 2, .hidden = hidden, .heads = 2, .ffn = hidden, .max_tokens = 16};
  shape.labels = {"yes", "no", "maybe"};
  shape.protocol = model::Protocol::one_round;  // affine norms
  encoder::PlanRequest request(16);
  request.protocol = model::Protocol::masked_rounds;
  const ServiceWorld world(shape, request);
  const auto service = world.make_service();
  const client::ClientModel& known = *world.client;
  Oracle oracle(*service, known, *world.keys);
  const auto features = static_cast<std::size_t>(hidden);
  const double length = useful_length(oracle, known, features);
  const std::vector<Vector> rows = rows_of(quadratic_forms(oracle, features, length));
  const double error =
      relative_error(world.full.at("encoder.layer.1.intermediate.dense.weight", {hidden, hidden}), rows);
  const bool good = error < kNear;
  std::printf("%s: W1 of the last layer, %d x %d, up to order and length of its rows; relative error %.2g\n",
              good ? "extracted" : "NOT extracted", hidden, hidden, error);
  std::printf("%d queries of %zu sentences, %zu logits each: %d for the scale, the others for %d states\n",
              oracle.queries(), oracle.sentences(), kLabels, kRounds, (hidden + 1) * (hidden + 2) / 2);
  return good ? 0 : 1;
}

}  // namespace
}  // namespace thex::testing

int main(int argc, char** argv) {
  const long hidden = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 16;
  if (argc > 2 || hidden < 16 || hidden > 64 || hidden % 2 != 0) {
    std::fprintf(stderr, "usage: extract-matrix [HIDDEN]: an even number from 16 to 64\n");
    return 2;
  }
  try {
    return thex::testing::extract(static_cast<int>(hidden));
  } catch (const thex::Error& error) {
    std::fprintf(stderr, "extract-matrix: %s\n", error.what());
    return 1;
  }
}
