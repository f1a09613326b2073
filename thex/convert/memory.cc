#include "thex/convert/memory.h"

#include <algorithm>
#include <fstream>
#include <string>

#include "thex/model/model.h"

namespace thex::convert {

MemoryEstimate training_memory(const model::ModelConfig& config, std::uint64_t batch, std::uint64_t length,
                               bool runs_teacher) {
  const auto hidden = static_cast<std::uint64_t>(config.hidden), ffn = static_cast<std::uint64_t>(config.ffn);
  const auto heads = static_cast<std::uint64_t>(config.heads), layers = static_cast<std::uint64_t>(config.layers);
  // Per token and layer: about sixteen vectors of the hidden size (projections, their transposed copies, norms and
  // residuals), three of the FFN's; per pair of tokens and head about eight values (scores, powers, masks, products).
  const std::uint64_t token = layers * (16 * hidden + 3 * ffn);
  const std::uint64_t pair = layers * heads * 8;
  MemoryEstimate out;
  out.weights = model::parameter_count(config) * 4;
  out.parameters = out.weights * (runs_teacher ? 9 : 8);
  out.activations = 4 * batch * length * (token + pair * length);
  return out;
}

MemoryEstimate deep_training_memory(const model::ModelConfig& config, std::uint64_t batch, std::uint64_t length,
                                    std::uint64_t tokens) {
  MemoryEstimate out = training_memory(config, batch, length, true);
  out.parameters += out.weights;
  // Of every token the plain states, the student's few and their differences, and the squared units with what the
  // regression makes of them; as much again for its copies and what malloc keeps (measured).
  const auto hidden = static_cast<std::uint64_t>(config.hidden), ffn = static_cast<std::uint64_t>(config.ffn);
  const std::uint64_t token = (2 * static_cast<std::uint64_t>(config.layers) + 1 + 8) * hidden + 4 * ffn;
  out.activations = std::max(out.activations, 2 * 4 * tokens * token);
  return out;
}

std::uint64_t available_memory() {
  std::ifstream in("/proc/meminfo");
  std::string key, unit;
  std::uint64_t kilobytes = 0;
  while (in >> key >> kilobytes) {
    if (key == "MemAvailable:") return kilobytes * 1024;
    std::getline(in, unit);
  }
  return 0;
}

}  // namespace thex::convert
