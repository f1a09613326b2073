#include "thex/approx/required_plan.h"

#include "thex/base/error.h"
#include "thex/bert/encoder_circuit.h"

namespace thex::approx {

void require_plan(bert::ModelConfig config, bert::Protocol protocol, int max_tokens,
                  const std::function<void(const std::string&)>& warn) {
  const bool polynomial = protocol == bert::Protocol::one_round;
  config.activation = polynomial ? bert::Activation::square : bert::Activation::relu;
  config.pooler = false;
  config.thex = bert::HeSection{.softmax = polynomial ? bert::Softmax::power : bert::Softmax::estimation,
                                .norm = bert::Norm::affine,
                                .max_relu_input = 50,
                                .max_logit = 10};
  try {
    bert::plan_inference(config, max_tokens);
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

}  // namespace thex::approx
