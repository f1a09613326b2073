// A circuit as data: the straight-line program that the transformer code writes once (through Builder) and that three
// interpreters run: trace (planner.h: levels, keys, memory, time), clear (run/clear.h: doubles) and ckks
// (run/ckks_run.h).
//
// Values are vectors of `slots` numbers, real ones but for pairs (Builder::pair). Products rescale at once, so a
// value's multiplicative depth is the number of products on its longest path from a fresh encryption. Nothing here
// knows levels, scales or primes: the planner does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <memory_resource>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "thex/base/error.h"
#include "thex/circuit/slot_sources.h"

namespace thex::circuit {

// A public vector (weights, masks) of period `period` slots, a power of two. `fill` writes one period; it is called
// only by interpreters that compute, so a client can build the program without having the weights.
struct PlainVector {
  std::size_t period = 1;
  std::function<void(std::span<double>)> fill = nullptr;
  bool complex = false;  // `fill` writes the real parts of one period, then the imaginary ones
  // Root mean square to count with when noise is estimated; 0: that of the values or, without `fill`, what
  // Node::assumed says. For a mask whose few slots are all that matters: their size, not the mean.
  double magnitude = 0;
  double gain = 1;  // what Node::assumed says is multiplied by this

  // What `fill` writes. Throws Error(internal) without it.
  std::vector<double> values() const;
};

enum class Op {
  fresh,             // encrypted by the client: output `output` of client step `step`
  rotate,            // slot i of the result is slot i + steps of the input
  add,               // inputs[0] + inputs[1]
  add_plain,         // inputs[0] + plains[0]
  weighted_sum,      // sum_k inputs[k] * plains[k], one rescale: one level
  product_sum,       // sum_k inputs[2k] * inputs[2k+1], one relinearisation, one rescale: one level
  refresh,           // inputs[0] with new levels, by Node::refresh
  subtract,          // inputs[0] - inputs[1]
  multiply_integer,  // factor * inputs[0]: exact, and takes no level
  rotation_sum,      // sum_k inputs[k] rotated by rotations[k]
  linear_transform,  // Program::transforms[transform] of all inputs, one rescale: one level
  multiply_i,        // inputs[0] times the imaginary unit: exact, no level. Slots are complex from here ..
  conjugate,         // the complex conjugate of inputs[0]
  twice_real,        // .. to here: inputs[1] is the conjugate of inputs[0]; 2 Re
  twice_imaginary,   // and 2 Im
};

// How a value gets new levels; refresh.h says what each way asks for.
enum class RefreshMethod {
  masked_round,  // by the client, under a mask (ckks/masked_refresh.h): output `output` of step `step`
};

// Places in Program::nodes, Program::plains and Program::transforms; kNoId is in none.
using NodeId = std::size_t;
using PlainId = std::size_t;
using TransformId = std::size_t;
inline constexpr std::size_t kNoId = std::numeric_limits<std::size_t>::max();

// Root mean squares to count with when noise is predicted where neither weights nor data are at hand (noise_model.h).
struct Magnitudes {
  double weight = 1;  // of a plain vector without values
  double fresh = 1;   // of what the client encrypts
  // The largest that values computed here are known to have, whatever follows from their inputs.
  double limit = std::numeric_limits<double>::infinity();
  double known = 0;  // of this very value, whatever follows from its inputs; 0: not known
};

// What the nodes of a step are called in errors and profiles, and how large their values are taken to be.
struct StepLabel {
  std::string text;
  Magnitudes assumed{};

  StepLabel() = default;
  StepLabel(const char* name) : text(name) {}             // NOLINT: a label is written as a text ..
  StepLabel(std::string name) : text(std::move(name)) {}  // NOLINT: .. where nothing is predicted
  StepLabel(std::string name, const Magnitudes& sizes) : text(std::move(name)), assumed(sizes) {}
};

// What its views refer to belongs to the program (Program::storage).
struct Node {
  Op op = Op::fresh;
  std::span<const NodeId> inputs{};
  std::span<const PlainId> plains{};
  int steps = 0;                     // rotate
  int factor = 1;                    // multiply_integer
  std::span<const int> rotations{};  // rotation_sum
  TransformId transform = kNoId;     // linear_transform
  std::size_t step = 0, output = 0;  // what the client encrypts
  RefreshMethod refresh = RefreshMethod::masked_round;
  std::string_view label{};  // "layer0.query": for errors and profiles
  Magnitudes assumed{};
};

// What the client computes of each decrypted value.
enum class ClientFunction {
  relu,
  relu_cubed,  // relu(x)^3, equal to relu(x^3)
};

// One turn of the client. Step 0 has no ciphertexts to decrypt: its single input vector is the embedding matrix in
// clear (token * hidden + column; in a batch one padded matrix after the other). Every later step decrypts `inputs`,
// applies its function to each slot and re-encrypts as `sources` say. Values that are refreshed in a masked round
// travel along in the same messages: the client re-encrypts what it cannot read.
struct ClientStep {
  std::string label;
  std::vector<NodeId> inputs;
  std::vector<NodeId> outputs;  // fresh nodes
  // Per output: `slots` entries, or in step 0 twice as many, the real parts of a pair and then its imaginary ones.
  // Pairs are encrypted halved: their twice_parts() are what the sources say.
  std::vector<SlotSources> sources;
  std::vector<NodeId> refreshed;  // refresh nodes
  ClientFunction function = ClientFunction::relu;
  std::size_t values = 0;  // numbers (not slots) that the client sees in this step
};

// Public vectors that a linear transform multiplies by, alike but for their numbers: they are never all held.
struct PlainSet {
  std::size_t count = 0;
  std::size_t period = 1;
  std::function<void(std::size_t number, std::span<double>)> fill = nullptr;  // one of them, as PlainVector::fill
  bool complex = false;
  double magnitude = 0, gain = 1;  // of each

  // Throws Error(internal) without `fill`.
  std::vector<double> values(std::size_t number) const;
};

// The shape of a linear transform: the sum over g of (the sum of the terms at g) rotated by g * giant_step, a term
// being a rotated input times a plain vector.
struct TransformTerms {
  struct Term {
    std::uint32_t input = 0;
    int steps = 0;
    std::uint32_t set = 0, number = 0;  // of Transform::factors
    std::int32_t rotation = -1;         // its index in `rotations`; -1: not rotated. Found by the constructor
  };
  // How many terms an input has with vectors of a set, and how many of them are rotated.
  struct Use {
    std::uint32_t input, set;
    std::size_t terms, rotated;
  };
  TransformTerms(int giant_step, std::map<int, std::vector<Term>> terms);

  int giant_step;
  std::map<int, std::vector<Term>> at;
  std::size_t count = 0;                               // of terms
  std::vector<std::pair<std::size_t, int>> rotations;  // input and steps of rotated terms, each once
  std::vector<Use> uses;
};

// All applications of a transform share it.
struct Transform {
  std::shared_ptr<const TransformTerms> terms;
  std::shared_ptr<const std::vector<PlainSet>> factors;
};

// Values that everything after them follows from, and how many times as large an error of all their slots is at the
// next such values, or at the results after the last ones: measured, it stands for what the operations between do to
// errors.
struct ErrorGain {
  std::vector<NodeId> values;
  double gain = 1;
};

struct Program {
  std::size_t slots = 0;
  std::shared_ptr<std::pmr::monotonic_buffer_resource> storage;  // operands and labels of nodes; copies share it
  std::vector<Node> nodes;                                       // inputs come before their users
  std::vector<PlainVector> plains;
  std::vector<ClientStep> steps;
  std::vector<Transform> transforms;
  std::vector<NodeId> results;  // what the client decrypts in the end
  std::vector<SlotSource>
      result_slots;  // of each output: its place among `results`; left out when its token is padding
  // Every result repeats after so many slots, a power of two: a server has to show no more (ckks/answer.h). Outputs are
  // in the first of them.
  std::size_t result_period = 0;
  std::size_t operands = 0;            // inputs and plain vectors of all nodes
  std::vector<ErrorGain> error_gains;  // in the order of the nodes; for predictions alone
};

// How large programs may become, and how many levels a value may need, before a Builder gives up. Time and memory of
// everything that is done with a program without computing are in proportion to the first three.
struct ProgramLimits {
  std::size_t nodes = 500'000;
  std::size_t operands = 6'000'000;  // inputs of nodes, and their plain vectors
  std::size_t plains = 600'000;      // different plain vectors
  int depth = 1'000'000;
  // What the other programs of the same plan have already.
  std::size_t nodes_before = 0, operands_before = 0, plains_before = 0;

  // For what comes after that program in the same plan.
  ProgramLimits after(const Program& program) const;
};

// A program that passes its limits: Error(crypto).
class ProgramTooLarge : public Error {
 public:
  explicit ProgramTooLarge(const std::string& message) : Error(ErrorCode::crypto, message) {}
};

// Levels that an operation takes from its inputs: 1 for products (they rescale), else 0.
int consumed_levels(Op op);
// Whether an operation multiplies values by plain vectors, whose scale makes up for theirs.
inline bool weighs(Op op) { return op == Op::weighted_sum || op == Op::linear_transform; }
// "rotate", "weighted_sum", ..
const char* name_of(Op op);

inline constexpr int kMaxIntegerFactor = 1 << 20;

class Value {
 public:
  Value() = default;
  NodeId id() const { return id_; }
  friend bool operator==(Value a, Value b) { return a.id_ == b.id_; }

 private:
  friend class Builder;
  explicit Value(NodeId id) : id_(id) {}
  NodeId id_ = kNoId;
};

class Builder {
 public:
  // Throws ProgramTooLarge, here and later, as soon as a limit is passed.
  explicit Builder(std::size_t slots, const ProgramLimits& limits = {});
  std::size_t slots() const { return program_.slots; }

  // Every node that is made from here on carries the label.
  void set_label(const StepLabel& label);

  // For predictions: the root mean square of a value, where it is known; and ErrorGain.
  void set_size(Value a, double root_mean_square);
  void set_error_gain(std::span<const Value> values, double gain);

  PlainId plain(PlainVector vector);

  // Equal rotations of the same value are one node.
  Value rotate(Value a, int steps);
  Value add(Value a, Value b);
  Value subtract(Value a, Value b);
  // |factor| <= kMaxIntegerFactor. The modulus must have room for the larger value, as for every other.
  Value multiply_integer(Value a, int factor);
  // a + i b: two values that are computed with as one. It may be rotated, added, multiplied by real values and by plain
  // vectors; a result must be real. A product by a complex plain vector is a pair as well.
  Value pair(Value a, Value b);
  // Twice the two values of a pair: one key switch. Twice the first: the same.
  std::pair<Value, Value> twice_parts(Value pair);
  Value twice_first(Value pair);
  Value add_plain(Value a, PlainId b);
  Value weighted_sum(std::span<const Value> a, std::span<const PlainId> b);
  Value multiply_plain(Value a, PlainId b);
  Value product_sum(std::span<const std::pair<Value, Value>> terms);
  Value multiply(Value a, Value b);

  // sum_k a[k] rotated by steps[k]: one operation.
  Value sum_of_rotations(std::span<const Value> a, std::span<const int> steps);
  // A linear transform (ckks/linear_transform.h), which takes so many inputs as its terms name, its terms from
  // terms(); and its result.
  TransformId transform(Transform transform);
  // The terms of a shape that a key stands for: made once.
  std::shared_ptr<const TransformTerms> terms(const std::vector<int>& key, const std::function<TransformTerms()>& make);
  Value linear_transform(TransformId transform, std::span<const Value> inputs);

  // Step 0 takes no inputs, and its outputs may be pairs (see ClientStep). Returns one value per element of `sources`,
  // then one per element of `refresh`: the same values with new levels, by a masked round. They may only be used in
  // weighted sums, rotated or not (RefreshRule::keeps_scale).
  std::vector<Value> client_step(StepLabel label, std::span<const Value> inputs, std::vector<SlotSources> sources,
                                 std::size_t values, std::span<const Value> refresh = {},
                                 ClientFunction function = ClientFunction::relu);

  // Each entry of `outputs` reads one slot of one result (`input`: its index). `period`: Program::result_period, by
  // default all slots.
  Program finish(std::span<const Value> results, std::vector<SlotSource> outputs, std::size_t period = 0) &&;
  // One result with outputs in these slots.
  Program finish(Value result, const std::vector<Slot>& slots) &&;

 private:
  Value push(Node node);
  Value push(Node node, std::initializer_list<Value> inputs);
  int shortest(int steps) const;
  TransformTerms with_shortest_steps(TransformTerms terms) const;
  void check_period(std::size_t period) const;
  std::span<const NodeId> ids_of(std::span<const Value> values);
  template <typename T>
  std::span<const T> keep(std::span<const T> list);

  Program program_;
  ProgramLimits limits_;
  std::string_view label_;
  Magnitudes assumed_;
  std::set<std::string_view> labels_;
  std::vector<int> depths_;                              // per node: levels taken since it was encrypted
  std::unordered_map<std::uint64_t, NodeId> rotations_;  // of a node by so many steps
  std::map<std::vector<int>, std::shared_ptr<const TransformTerms>> shapes_;
};

// The vectors that the client encrypts in a step: inputs are the decrypted (or, in step 0, clear) vectors of the step.
std::vector<std::vector<double>> apply_client_step(const Program& program, std::size_t step,
                                                   std::span<const std::vector<double>> inputs, const Lengths& lengths);

// The outputs of a program from its decrypted results, of a period or of all slots: those of padding and empty places
// are left out. Throws Error(protocol) when the number of results is not the program's.
std::vector<double> gather_outputs(const Program& program, std::span<const std::vector<double>> results,
                                   const Lengths& lengths);

}  // namespace thex::circuit
