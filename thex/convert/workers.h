// CPU threads that each take a whole piece of work: a part of a batch forward and backward, a head's fit. Products of
// these sizes gain little from being spread over threads one by one, and whole passes gain all.
#pragma once

#include <torch/types.h>

#include <cstddef>
#include <functional>

namespace thex::convert {

// How many pieces run at once: at::get_num_threads(), or 1 where `device` is no CPU.
std::size_t workers(torch::Device device);

// work(0) ... work(count - 1), each on one thread with one thread for its operations, `workers(device)` at a time, in
// this order of start; gradients are recorded if they are here. The first exception is thrown on once all have ended.
void in_parallel(std::size_t count, torch::Device device, const std::function<void(std::size_t)>& work);

}  // namespace thex::convert
