// How many bytes of bodies are held at once, by all requests together.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

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

    /// The request has grown to `bytes`. False where that is more than there is.
    bool grow(size_t bytes) {
      if (bytes <= bytes_) return true;
      const size_t more = bytes - bytes_;
      bytes_ = bytes;
      return budget_->used_.fetch_add(more) + more <= budget_->most_;
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
