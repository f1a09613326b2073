// Whether a conversion can end in a model that is served encrypted, known before anything is trained.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "thex/encoder/inference_plan.h"

namespace thex::convert {

// What a conversion would lead to.
struct ExpectedModel {
  model::ModelConfig config;
  encoder::InferencePlan plan;  // by the protocol that `thex serve` takes by itself
};

// Plans the model that a conversion of `config` to `protocol` leads to, for texts of up to `max_tokens` tokens, from
// sizes that are assumed. `config` has the task and the labels; its activation, softmax and norms are replaced.
// Throws Error(model) for polynomials that have no plan by the protocol, naming others; a model that only the-x could
// take and cannot is a warning, and nothing is returned. Where nothing but precision is wanting, which calibration
// decides about, nothing is returned either.
std::optional<ExpectedModel> require_plan(model::ModelConfig config, model::Protocol protocol, int max_tokens,
                                          const std::function<void(const std::string&)>& warn);

// What a query costs, as lines of text: rounds, seconds, traffic, keys and the memory of a server on this
// machine; what the client sees beside the answer, and what other ways of serving would cost.
std::vector<std::string> costs_of(const ExpectedModel& expected);

}  // namespace thex::convert
