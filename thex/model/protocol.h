// The protocols by which HE-friendly models are evaluated, as a table: what a model must compute for each, and what is
// said of it. What the encoder builds for one is encoder/protocol_table.h.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace thex::model {

enum class Activation {
  gelu,
  relu,
  square
};  // square: x * x; what a quadratic is, with its coefficients in the weights
// estimation: c = ReLU(x/2+1)^3, P_i = c_i * T(sum_j c_j) (THE-X, eq. 5). power: P_i = (x_i/2 + 1)^2 / n for n tokens,
// which needs no division by what the server cannot see: exp(x) near 0, and the weights learn the rest.
enum class Softmax { exact, estimation, power };
const char* name_of(Softmax softmax);             // "exact", "estimation", "power"
const std::vector<std::string>& softmax_names();  // in the order of the enumeration
std::optional<Softmax> softmax_named(const std::string& name);
// affine: y = gamma * x + beta, element-wise, no statistics. mean_square: so after the FFN, and after attention
// y = gamma * x * (1 + slope * m) + beta for the mean m of the squares of x, RMSNorm (Zhang, Sennrich, NeurIPS 2019)
// to first order: it keeps the size of what deep models hand on.
enum class Norm { exact, affine, mean_square };
const char* name_of(Norm norm);                // "exact", "affine", "mean_square"
const std::vector<std::string>& norm_names();  // in the order of the enumeration

// the_x (THE-X): the client computes ReLUs between rounds. one_round: polynomials only, nothing but the outputs comes
// back. masked_rounds: the same polynomials, and between some layers the client encrypts anew what it cannot read.
enum class Protocol { the_x, one_round, masked_rounds };

struct ProtocolRow {
  Protocol protocol;
  const char* name;  // on command lines, in files and reports
  // The nonlinearities of models that are made for it, which have no pooler. Polynomial ones take either of the other
  // norms.
  Activation activation;
  Softmax softmax;
  Norm norm;
  bool client_sees_values;  // the client decrypts inputs of nonlinearities, which the outputs alone do not tell
  bool any_depth;           // its levels do not grow with the number of layers
  const char* summary;      // for help: what happens, how fast, for which models
  const char* drawback;     // "but it ..": what a user pays for it

  // Nothing but sums and products.
  bool polynomial() const { return activation == Activation::square && softmax == Softmax::power; }
};

// A row for each, in the order of the enumeration.
std::span<const ProtocolRow> protocols();
const ProtocolRow& row_of(Protocol protocol);
inline const char* name_of(Protocol protocol) { return row_of(protocol).name; }
std::optional<Protocol> protocol_named(std::string_view name);
// Those that evaluate these nonlinearities, in the order of the table.
std::vector<Protocol> protocols_for(Activation activation, Softmax softmax, Norm norm);

}  // namespace thex::model
