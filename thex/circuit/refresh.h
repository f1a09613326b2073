// What a way of refreshing asks of levels and scales. A program only says which values get new levels and which way
// (Op::refresh); levels, scales, noise and tasks follow from these rules, so that another way is one more of them.
#pragma once

#include "thex/circuit/program.h"
#include "thex/ckks/context.h"

namespace thex::circuit {

struct RefreshRule {
  ckks::Level input;   // the lowest level at which a value may be handed over; it is lowered to that first
  ckks::Level output;  // the lowest level of the result, which else is the level that its users need
  // The result has the scale of the value that was handed over. What that is made of is given the result's canonical
  // scale early, by the sums weighted with plain vectors that it comes from, where nothing else uses it. Else the
  // result keeps the canonical scale of `input`, and so does all that is made of it by operations that leave the scale
  // (leaves_scale): in the end it may be used in weighted sums only, whose plain vectors make up for it.
  bool keeps_scale = false;
  // The client makes the result: the value travels with the messages of step Node::step. Else the server alone does.
  bool by_client = false;
};

// Whether an operation of values of one scale gives a value of that scale, without more.
bool leaves_scale(Op op);

const RefreshRule& rule_of(RefreshMethod method);
// Throws Error(crypto) when no value can be refreshed that way with these parameters.
void require_refreshable(const ckks::Context& context, RefreshMethod method);

// Whether the client encrypts the result of a node.
bool comes_from_client(const Node& node);
// Whether the result of a node has as many levels as its users need, whatever its inputs have.
bool starts_chain(const Node& node);

}  // namespace thex::circuit
