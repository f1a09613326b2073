// make-test-model FOLDER [LAYERS HIDDEN HEADS FFN MAX_TOKENS SEED]: a random HE-friendly model for tests and timings of
// shapes.
#include <cstdlib>
#include <iostream>

#include "tests/test_model.h"

int main(int argc, char** argv) {
  if (argc != 2 && argc != 8) {
    std::cerr << "usage: make-test-model FOLDER [LAYERS HIDDEN HEADS FFN MAX_TOKENS SEED]\n";
    return 2;
  }
  thex::testing::ModelShape shape;
  if (argc == 8) {
    shape.layers = std::atoi(argv[2]);
    shape.hidden = std::atoi(argv[3]);
    shape.heads = std::atoi(argv[4]);
    shape.ffn = std::atoi(argv[5]);
    shape.max_tokens = std::atoi(argv[6]);
    shape.seed = static_cast<std::uint64_t>(std::atoll(argv[7]));
  }
  thex::testing::write_model(argv[1], shape);
  return 0;
}
