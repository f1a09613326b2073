#include "thex/convert/workers.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "thex/base/parallel.h"

namespace thex::convert {
namespace {

// The calling thread's number of threads is again what it was.
struct OwnThreads {
  const int count = at::get_num_threads();
  ~OwnThreads() { at::set_num_threads(count); }
};

}  // namespace

std::size_t workers(torch::Device device) {
  return device.is_cpu() ? static_cast<std::size_t>(std::max(1, at::get_num_threads())) : 1;
}

void in_parallel(std::size_t count, torch::Device device, const std::function<void(std::size_t)>& work) {
  const std::size_t threads = std::min(count, workers(device));
  if (threads <= 1) {
    for (std::size_t i = 0; i < count; ++i) work(i);
    return;
  }
  const bool gradients = at::GradMode::is_enabled();
  const OwnThreads restored;
  parallel_for(count, static_cast<int>(threads), [&](std::size_t i) {
    at::set_num_threads(1);
    const at::AutoGradMode mode(gradients);
    work(i);
  });
}

}  // namespace thex::convert
