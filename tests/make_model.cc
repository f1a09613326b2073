// make-test-model FOLDER [LAYERS HIDDEN HEADS FFN MAX_TOKENS SEED [TASK LABELS]] [--protocol NAME]: a random
// HE-friendly model for tests and timings of shapes. TASK: classification, regression or tokens. NAME: the-x (the
// default), one-round or masked-rounds.
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "tests/support/test_model.h"

int main(int argc, char** argv) {
  thex::testing::ModelShape shape;
  std::vector<std::string> arguments(argv + 1, argv + argc);
  bool right = true;
  if (arguments.size() >= 2 && arguments[arguments.size() - 2] == "--protocol") {
    const auto protocol = thex::model::protocol_named(arguments.back());
    right = protocol.has_value();
    shape.protocol = protocol.value_or(shape.protocol);
    arguments.resize(arguments.size() - 2);
  }
  if (!right || (arguments.size() != 1 && arguments.size() != 7 && arguments.size() != 9)) {
    std::cerr << "usage: make-test-model FOLDER [LAYERS HIDDEN HEADS FFN MAX_TOKENS SEED [TASK LABELS]] "
                 "[--protocol NAME]\n";
    return 2;
  }
  const auto number = [&](std::size_t i) { return std::atoi(arguments[i].c_str()); };
  if (arguments.size() >= 7) {
    shape.layers = number(1);
    shape.hidden = number(2);
    shape.heads = number(3);
    shape.ffn = number(4);
    shape.max_tokens = number(5);
    shape.seed = static_cast<std::uint64_t>(number(6));
  }
  if (arguments.size() == 9) {
    const std::string& task = arguments[7];
    shape.task = task == "tokens"       ? thex::model::Task::token_classification
                 : task == "regression" ? thex::model::Task::regression
                                        : thex::model::Task::classification;
    shape.labels.clear();
    for (int l = 0; l < number(8); ++l) shape.labels.push_back("label" + std::to_string(l));
  }
  thex::testing::write_model(arguments[0], shape);
  return 0;
}
