// A mutex whose waiters come in turn.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace caldera::engine {

/// As std::mutex, but whoever unlocks and locks again at once comes after those that wait: a service's thread
/// holds the engine nearly always, and others have questions to it.
class FairMutex {
 public:
  void lock() {
    std::unique_lock lock(mutex_);
    const uint64_t mine = next_++;
    turn_.wait(lock, [&] { return mine == serving_; });
  }
  void unlock() {
    {
      const std::scoped_lock lock(mutex_);
      ++serving_;
    }
    turn_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable turn_;
  uint64_t next_ = 0;     ///< ticket
  uint64_t serving_ = 0;  ///< whose ticket it is
};

}  // namespace caldera::engine
