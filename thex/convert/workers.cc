#include "thex/convert/workers.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace thex::convert {

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
  const int before = at::get_num_threads();
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto run = [&] {
    at::set_num_threads(1);
    const at::AutoGradMode mode(gradients);
    for (std::size_t i = next++; i < count; i = next++) try {
        work(i);
      } catch (...) {
        const std::lock_guard lock(failure_mutex);
        if (!failure) failure = std::current_exception();
        next = count;
      }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t t = 1; t < threads; ++t) others.emplace_back(run);
    run();
  }
  at::set_num_threads(before);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace thex::convert
