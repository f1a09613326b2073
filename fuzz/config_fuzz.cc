// Any text as config.json and, after the first NUL, as tokenizer_config.json: an Error(model), or a configuration that
// survives being written and read again.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "thex/base/error.h"
#include "thex/model/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = text.find('\0');
  thex::model::ModelConfig config;
  try {
    config = zero == std::string::npos ? thex::model::parse_config(text)
                                       : thex::model::parse_config(text.substr(0, zero), text.substr(zero + 1));
  } catch (const thex::Error& error) {
    if (error.code() != thex::ErrorCode::model) std::abort();
    return 0;
  }
  // An Error from here on is a defect: what we write, we read.
  const std::string written = thex::model::config_to_json(config);
  const auto again = thex::model::parse_config(written, thex::model::tokenizer_config_to_json(config));
  if (again.labels != config.labels || again.hidden != config.hidden ||
      config.head_dim() * config.heads != config.hidden || again.thex.has_value() != config.thex.has_value() ||
      thex::model::config_to_json(again) != written) {
    std::abort();
  }
  return 0;
}
