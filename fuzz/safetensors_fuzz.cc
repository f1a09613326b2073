// Any bytes as a safetensors file: an Error(model) or tensors that agree with their shapes.
#include <cstdint>
#include <cstdlib>

#include "thex/base/error.h"
#include "thex/bert/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto file = thex::bert::parse_safetensors(std::as_bytes(std::span(data, size)));
    for (const auto& [name, tensor] : file.tensors) {
      std::uint64_t count = 1;
      for (const auto d : tensor.shape) count *= static_cast<std::uint64_t>(d);
      if (count != tensor.data.size()) std::abort();
    }
  } catch (const thex::Error& error) {
    if (error.code() != thex::ErrorCode::model) std::abort();
  }
  return 0;
}
