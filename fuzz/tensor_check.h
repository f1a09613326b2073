// Shared by the fuzz targets of weight files: what holds for whatever they accept.
#pragma once

#include <cstdint>
#include <cstdlib>

#include "thex/base/error.h"
#include "thex/checkpoint/safetensors.h"

namespace thex::fuzz {

// parse() gives tensors that agree with their shapes, or throws Error(model).
template <typename Parse>
void check_tensors(Parse&& parse) {
  try {
    const checkpoint::TensorMap tensors = parse();
    for (const auto& [name, tensor] : tensors) {
      std::uint64_t count = 1;
      for (const auto d : tensor.shape) count *= static_cast<std::uint64_t>(d);
      if (count != tensor.data.size()) std::abort();
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::model) std::abort();
  }
}

}  // namespace thex::fuzz
