// Compiling pipelines on other threads while the device is busy.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <future>
#include <thread>
#include <utility>
#include <vector>

namespace caldera::kernels {

/// Runs jobs on as many threads as the host has cores, 16 at most, in their order. When it goes, those that
/// were not begun are left out, and their futures hold a broken promise.
class Compilers {
 public:
  explicit Compilers(std::vector<std::function<void()>> jobs)
      : jobs_(std::move(jobs)), promises_(jobs_.size()) {
    constexpr unsigned kMostThreads = 16;
    const size_t threads =
        std::min<size_t>(std::clamp(std::thread::hardware_concurrency(), 1U, kMostThreads), jobs_.size());
    for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  ~Compilers() { stop_ = true; }
  Compilers(const Compilers&) = delete;
  Compilers& operator=(const Compilers&) = delete;

  /// What becomes of a job; to be asked for once.
  std::future<void> result(size_t job) { return promises_[job].get_future(); }

 private:
  void work() {
    for (size_t at = next_++; at < jobs_.size() && !stop_; at = next_++) {
      try {
        jobs_[at]();
        promises_[at].set_value();
      } catch (...) {
        promises_[at].set_exception(std::current_exception());
      }
    }
  }

  std::vector<std::function<void()>> jobs_;
  std::vector<std::promise<void>> promises_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> stop_ = false;
  std::vector<std::jthread> threads_;  // the last member: joined before the others go
};

}  // namespace caldera::kernels
