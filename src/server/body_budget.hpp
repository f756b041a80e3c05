// How many bytes of bodies are held at once, by all requests together.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace caldera::server {

class BodyBudget {
 public:
  explicit BodyBudget(size_t most) : most_(most) {}

  /// What one request holds; given back when it goes.
  class Share {
   public:
    explicit Share(std::shared_ptr<BodyBudget> budget) : budget_(std::move(budget)) {}
    ~Share() { budget_->used_ -= bytes_; }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    /// The request has grown to `bytes`. False where that is more than there is: then it holds what it held,
    /// so that a request that is about to be refused takes nothing from the others.
    bool grow(size_t bytes) {
      if (bytes <= bytes_) return true;
      const size_t more = bytes - bytes_;
      size_t used = budget_->used_;
      do {
        if (used > budget_->most_ || more > budget_->most_ - used) return false;
      } while (!budget_->used_.compare_exchange_weak(used, used + more));
      bytes_ = bytes;
      return true;
    }

   private:
    std::shared_ptr<BodyBudget> budget_;
    size_t bytes_ = 0;
  };

 private:
  const size_t most_;
  std::atomic<size_t> used_{0};
};

}  // namespace caldera::server
