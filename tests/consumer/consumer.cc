// Prints the plan of a model folder with the installed libraries.
#include <iostream>

#include "thex/client/model.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto model = thex::client::load_client_model(argv[1], 32);
  std::cout << model.plan.fingerprint << '\n';
  return 0;
}
