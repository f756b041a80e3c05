// What a service has done since it began.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>

namespace caldera::engine {

/// Tokens a second, over the last seconds. Safe from any thread.
class DecodeRate {
 public:
  using Clock = std::chrono::steady_clock;

  void add(uint32_t tokens, Clock::time_point now = Clock::now()) {
    const std::scoped_lock lock(mutex_);
    forget(now);
    if (steps_.empty()) since_ = now;
    steps_.emplace_back(now, tokens);
    sum_ += tokens;
  }
  double per_second(Clock::time_point now = Clock::now()) {
    const std::scoped_lock lock(mutex_);
    forget(now);
    if (steps_.empty()) return 0;
    const auto span = std::chrono::duration<double>(now - std::max(since_, now - kWindow)).count();
    return span > 0 ? static_cast<double>(sum_) / span : 0;
  }

 private:
  static constexpr std::chrono::seconds kWindow{5};

  void forget(Clock::time_point now) {
    while (!steps_.empty() && steps_.front().first < now - kWindow) {
      sum_ -= steps_.front().second;
      steps_.pop_front();
    }
  }

  std::mutex mutex_;
  std::deque<std::pair<Clock::time_point, uint32_t>> steps_;
  Clock::time_point since_;  ///< first of an unbroken row
  uint64_t sum_ = 0;
};

/// Written by the service's thread, read by any.
struct ServiceTotals {
  std::atomic<uint64_t> finished = 0;
  std::atomic<uint64_t> cancelled = 0;
  std::atomic<uint64_t> failed = 0;
  std::atomic<uint64_t> prompt_tokens = 0;
  std::atomic<uint64_t> cached_prompt_tokens = 0;
  std::atomic<uint64_t> completion_tokens = 0;
  std::atomic<uint64_t> cached_tokens = 0;
  std::atomic<double> request_seconds = 0;  ///< that an answer takes, of the last ones
  DecodeRate rate;
};

}  // namespace caldera::engine
