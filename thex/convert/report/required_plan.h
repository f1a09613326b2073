// Whether a conversion can end in a model that is served encrypted, known before anything is trained.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "thex/encoder/inference_plan.h"

namespace thex::convert {

// Plans the model that a conversion of `config` to `protocol` leads to, for texts of up to `max_tokens` tokens, from
// sizes that are assumed. `config` has the task and the labels; its activation, softmax and norms are replaced.
// Throws Error(model) for a model that is too deep for one round or would lose too many bits in it: the other protocol
// shows more to the client, which is not for the program to decide. A model without a plan by the others is a warning,
// and nothing is returned.
std::optional<encoder::InferencePlan> require_plan(model::ModelConfig config, model::Protocol protocol, int max_tokens,
                                                   const std::function<void(const std::string&)>& warn);

// What a query of a plan costs, as lines of text: rounds, seconds, traffic, keys and the server's memory.
std::vector<std::string> costs_of(const encoder::InferencePlan& plan);

}  // namespace thex::convert
