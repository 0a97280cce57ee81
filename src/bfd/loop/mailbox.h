// Values handed from one thread to another. The mutex inherits priority (PTHREAD_PRIO_INHERIT), so that a real-time
// thread waits for a preempted ordinary one no longer than the few instructions that the lock is held.
#pragma once

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <mutex>
#include <vector>

#include "base/fd.h"

namespace weft::bfd {

class InheritingMutex {
 public:
  InheritingMutex() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&mutex_, &attributes);
    pthread_mutexattr_destroy(&attributes);
  }
  ~InheritingMutex() { pthread_mutex_destroy(&mutex_); }
  InheritingMutex(const InheritingMutex&) = delete;
  InheritingMutex& operator=(const InheritingMutex&) = delete;
  void lock() { pthread_mutex_lock(&mutex_); }
  void unlock() { pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_;
};

template <class T>
class Mailbox {
 public:
  Mailbox() : ready_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

  /// Readable while take() has something.
  int fd() const { return ready_.get(); }

  void post(T value) {
    {
      const std::lock_guard lock(mutex_);
      values_.push_back(std::move(value));
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(ready_.get(), &one, sizeof one);
  }
  /// How many wait.
  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return values_.size();
  }
  std::vector<T> take() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto n = ::read(ready_.get(), &count, sizeof count);
    std::vector<T> out;
    const std::lock_guard lock(mutex_);
    out.swap(values_);
    return out;
  }

 private:
  mutable InheritingMutex mutex_;
  std::vector<T> values_;
  Fd ready_;
};

}  // namespace weft::bfd
