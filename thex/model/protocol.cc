#include "thex/model/protocol.h"

#include <algorithm>

#include "thex/base/enum_table.h"

namespace thex::model {
namespace {

// In the order of the enumeration.
const std::vector<std::string> kSoftmaxNames{"exact", "estimation", "power"};

const std::vector<std::string> kNormNames{"exact", "affine", "mean_square"};

constexpr ProtocolRow kProtocols[] = {
    {Protocol::the_x, "the-x", Activation::relu, Softmax::estimation, Norm::affine, true, true,
     "the client evaluates the ReLUs and sees their inputs, tenths of a second, for deep models too",
     "shows the client the inputs of every ReLU"},
    {Protocol::one_round, "one-round", Activation::square, Softmax::power, Norm::affine, false, false,
     "nobody sees anything, polynomials in place of all nonlinearities, seconds, few layers",
     "takes models of few layers only"},
    {Protocol::masked_rounds, "masked-rounds", Activation::square, Softmax::power, Norm::mean_square, false, true,
     "a client that follows the protocol sees nothing but the answer, the server nothing; the same models as one-round "
     "with any number of layers, a round for some of them",
     "takes more rounds than one"},
};
static_assert(in_order(kProtocols, &ProtocolRow::protocol));

}  // namespace

const char* name_of(Softmax softmax) { return kSoftmaxNames[static_cast<std::size_t>(softmax)].c_str(); }

const std::vector<std::string>& softmax_names() { return kSoftmaxNames; }

const char* name_of(Norm norm) { return kNormNames[static_cast<std::size_t>(norm)].c_str(); }

const std::vector<std::string>& norm_names() { return kNormNames; }

std::optional<Softmax> softmax_named(const std::string& name) {
  const auto it = std::find(kSoftmaxNames.begin(), kSoftmaxNames.end(), name);
  if (it == kSoftmaxNames.end()) return std::nullopt;
  return static_cast<Softmax>(it - kSoftmaxNames.begin());
}

std::span<const ProtocolRow> protocols() { return kProtocols; }

const ProtocolRow& row_of(Protocol protocol) { return kProtocols[static_cast<std::size_t>(protocol)]; }

std::optional<Protocol> protocol_named(std::string_view name) {
  for (const ProtocolRow& row : kProtocols)
    if (row.name == name) return row.protocol;
  return std::nullopt;
}

std::vector<Protocol> protocols_for(Activation activation, Softmax softmax, Norm norm) {
  std::vector<Protocol> all;
  if (norm == Norm::exact) return all;
  for (const ProtocolRow& row : kProtocols)
    if (row.activation == activation && row.softmax == softmax && (norm == Norm::affine || row.polynomial()))
      all.push_back(row.protocol);
  return all;
}

}  // namespace thex::model
