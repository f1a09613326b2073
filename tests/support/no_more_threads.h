// A system that has no more threads to give.
#pragma once

#include <pthread.h>

#include <stdexcept>

namespace thex::support {

// While it lives, std::thread cannot be made: every one would ask for a larger stack than there are addresses.
class NoMoreThreads {
 public:
  NoMoreThreads() {
    pthread_attr_init(&before_);
    if (pthread_getattr_default_np(&before_) != 0) throw std::runtime_error("no default attributes of threads");
    pthread_attr_t huge;
    pthread_attr_init(&huge);
    if (pthread_attr_setstacksize(&huge, std::size_t{1} << 60) != 0 || pthread_setattr_default_np(&huge) != 0)
      throw std::runtime_error("cannot set the stack size of threads");
    pthread_attr_destroy(&huge);
  }
  ~NoMoreThreads() {
    pthread_setattr_default_np(&before_);
    pthread_attr_destroy(&before_);
  }
  NoMoreThreads(const NoMoreThreads&) = delete;
  NoMoreThreads& operator=(const NoMoreThreads&) = delete;

 private:
  pthread_attr_t before_;
};

}  // namespace thex::support
