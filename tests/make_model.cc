// make-test-model FOLDER [LAYERS HIDDEN HEADS FFN MAX_TOKENS SEED [TASK LABELS]]: a random HE-friendly model for tests
// and timings of shapes. TASK: classification, regression or tokens.
#include <cstdlib>
#include <iostream>
#include <string>

#include "tests/support/test_model.h"

int main(int argc, char** argv) {
  if (argc != 2 && argc != 8 && argc != 10) {
    std::cerr << "usage: make-test-model FOLDER [LAYERS HIDDEN HEADS FFN MAX_TOKENS SEED [TASK LABELS]]\n";
    return 2;
  }
  thex::testing::ModelShape shape;
  if (argc >= 8) {
    shape.layers = std::atoi(argv[2]);
    shape.hidden = std::atoi(argv[3]);
    shape.heads = std::atoi(argv[4]);
    shape.ffn = std::atoi(argv[5]);
    shape.max_tokens = std::atoi(argv[6]);
    shape.seed = static_cast<std::uint64_t>(std::atoll(argv[7]));
  }
  if (argc == 10) {
    const std::string task = argv[8];
    shape.task = task == "tokens"       ? thex::model::Task::token_classification
                 : task == "regression" ? thex::model::Task::regression
                                        : thex::model::Task::classification;
    shape.labels.clear();
    for (int l = 0; l < std::atoi(argv[9]); ++l) shape.labels.push_back("label" + std::to_string(l));
  }
  thex::testing::write_model(argv[1], shape);
  return 0;
}
