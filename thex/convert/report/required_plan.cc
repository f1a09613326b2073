#include "thex/convert/report/required_plan.h"

#include "thex/base/error.h"
#include "thex/encoder/inference_plan.h"

namespace thex::convert {

void require_plan(model::ModelConfig config, model::Protocol protocol, int max_tokens,
                  const std::function<void(const std::string&)>& warn) {
  const model::ProtocolRow& wanted = row_of(protocol);
  config.activation = wanted.activation;
  config.pooler = false;
  config.thex = model::HeSection{.softmax = wanted.softmax, .norm = wanted.norm, .max_relu_input = 50, .max_logit = 10};
  try {
    encoder::PlanRequest request(max_tokens);
    request.protocol = protocol;
    encoder::plan_inference(config, request);
  } catch (const Error& e) {
    if (!wanted.any_depth) {
      std::string others;
      for (const model::ProtocolRow& other : model::protocols())
        if (other.any_depth)
          others += std::string("; --protocol ") + other.name + " takes deep models, but " + other.drawback;
      throw Error(ErrorCode::model,
                  std::string("this model does not fit into the protocol ") + wanted.name + ": " + e.what() + others);
    }
    // Calibration decides about precision.
    if (dynamic_cast<const circuit::ImprecisePlan*>(&e) == nullptr)
      warn(std::string("warning: no plan for encrypted inference: ") + e.what());
  }
}

}  // namespace thex::convert
