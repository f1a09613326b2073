// Any bytes as pytorch_model.bin: an Error(model) or tensors that agree with their shapes. An input that begins with
// 'p' is the pickle of an archive with two storages, so that the fuzzer need not find the zip format anew.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tests/pytorch_writer.h"
#include "thex/base/error.h"
#include "thex/bert/pytorch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (!bytes.empty() && bytes.front() == 'p') {
    bytes = thex::bert::testing::zip_of(
        {{"a/data.pkl", bytes.substr(1)}, {"a/data/0", std::string(64, 'x')}, {"a/data/1", std::string(8, '\0')}});
  }
  try {
    const auto tensors = thex::bert::parse_pytorch(std::as_bytes(std::span(bytes.data(), bytes.size())));
    for (const auto& [name, tensor] : tensors) {
      std::uint64_t count = 1;
      for (const auto d : tensor.shape) count *= static_cast<std::uint64_t>(d);
      if (count != tensor.data.size()) std::abort();
    }
  } catch (const thex::Error& error) {
    if (error.code() != thex::ErrorCode::model) std::abort();
  }
  return 0;
}
