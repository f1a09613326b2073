// Any bytes as a safetensors file: an Error(model) or tensors that agree with their shapes.
#include <cstdint>

#include "fuzz/tensor_check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  thex::fuzz::check_tensors(
      [&] { return thex::checkpoint::parse_safetensors(std::as_bytes(std::span(data, size))).tensors; });
  return 0;
}
