// Any bytes as pytorch_model.bin: an Error(model) or tensors that agree with their shapes. An input that begins with
// 'p' is the pickle of an archive with two storages, so that the fuzzer need not find the zip format anew.
#include <cstdint>
#include <string>

#include "fuzz/tensor_check.h"
#include "tests/support/pytorch_writer.h"
#include "thex/checkpoint/pytorch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (!bytes.empty() && bytes.front() == 'p') {
    bytes = thex::support::zip_of(
        {{"a/data.pkl", bytes.substr(1)}, {"a/data/0", std::string(64, 'x')}, {"a/data/1", std::string(8, '\0')}});
  }
  thex::fuzz::check_tensors(
      [&] { return thex::checkpoint::parse_pytorch(std::as_bytes(std::span(bytes.data(), bytes.size()))); });
  return 0;
}
