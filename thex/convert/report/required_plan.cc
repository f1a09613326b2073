#include "thex/convert/report/required_plan.h"

#include "thex/base/error.h"
#include "thex/encoder/inference_plan.h"

namespace thex::convert {

void require_plan(model::ModelConfig config, model::Protocol protocol, int max_tokens,
                  const std::function<void(const std::string&)>& warn) {
  const bool polynomial = protocol == model::Protocol::one_round;
  config.activation = polynomial ? model::Activation::square : model::Activation::relu;
  config.pooler = false;
  config.thex = model::HeSection{.softmax = polynomial ? model::Softmax::power : model::Softmax::estimation,
                                 .norm = model::Norm::affine,
                                 .max_relu_input = 50,
                                 .max_logit = 10};
  try {
    encoder::plan_inference(config, max_tokens);
  } catch (const Error& e) {
    if (polynomial)
      throw Error(ErrorCode::model,
                  std::string("this model does not fit into one round: ") + e.what() +
                      "; --protocol the-x takes deep models, but shows the client the inputs of every ReLU");
    // Calibration decides about precision.
    if (dynamic_cast<const circuit::ImprecisePlan*>(&e) == nullptr)
      warn(std::string("warning: no plan for encrypted inference: ") + e.what());
  }
}

}  // namespace thex::convert
