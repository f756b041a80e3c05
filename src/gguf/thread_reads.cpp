#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "caldera/error.hpp"
#include "gguf/read_backend.hpp"

namespace caldera::gguf {
namespace {

/// Enough for a fast disk, and for copies out of the page cache to reach the speed of memory.
constexpr uint32_t kMostThreads = 4;

class ThreadReads : public ReadBackend {
 public:
  explicit ThreadReads(uint32_t depth) {
    try {
      for (uint32_t i = 0; i < std::min(depth, kMostThreads); ++i) threads_.emplace_back([this] { work(); });
    } catch (const std::system_error& error) {
      if (threads_.empty()) {
        throw Error(ErrorKind::kMemory, std::string("no thread to read files with: ") + error.what() +
                                            "; raise the limit of processes (ulimit -u)");
      }
    }
  }

  ~ThreadReads() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    asked_changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void start(const ReadOperation& operation) override {
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(operation);
    }
    asked_changed_.notify_one();
  }

  ReadResult finish() override {
    std::unique_lock lock(mutex_);
    finished_changed_.wait(lock, [this] { return !finished_.empty(); });
    const ReadResult result = finished_.front();
    finished_.pop_front();
    return result;
  }

  std::string name() const override {
    return std::to_string(threads_.size()) + (threads_.size() == 1 ? " thread" : " threads");
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      asked_changed_.wait(lock, [this] { return stop_ || !asked_.empty(); });
      if (stop_) return;
      const ReadOperation operation = asked_.front();
      asked_.pop_front();
      lock.unlock();
      const ssize_t got = ::pread(operation.descriptor, operation.buffer, operation.bytes,
                                  static_cast<off_t>(operation.offset));
      const ReadResult result{operation.slot, got < 0 ? -int64_t{errno} : int64_t{got}};
      lock.lock();
      finished_.push_back(result);
      finished_changed_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable asked_changed_;
  std::condition_variable finished_changed_;
  std::deque<ReadOperation> asked_;
  std::deque<ReadResult> finished_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<ReadBackend> make_thread_reads(uint32_t depth) {
  return std::make_unique<ThreadReads>(depth);
}

}  // namespace caldera::gguf
