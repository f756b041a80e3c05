// Listeners that tests ask a service with.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "caldera/service.hpp"

namespace caldera::test {

/// Keeps what it hears. Safe from any thread.
class Heard : public CompletionListener {
 public:
  /// Called for each chunk, with tokens so far, in the service's thread.
  std::function<void(size_t tokens)> on_tokens;

  void on_chunk(CompletionChunk chunk) override {
    size_t count = 0;
    {
      const std::scoped_lock lock(mutex_);
      text_ += chunk.text;
      tokens_.insert(tokens_.end(), chunk.tokens.begin(), chunk.tokens.end());
      choices_.insert(choices_.end(), chunk.choices.begin(), chunk.choices.end());
      count = tokens_.size();
    }
    changed_.notify_all();
    if (on_tokens) on_tokens(count);
  }
  void on_end(const CompletionEnd& end) override {
    {
      const std::scoped_lock lock(mutex_);
      end_ = end;
      ++ends_;
    }
    changed_.notify_all();
  }

  /// False where it takes a minute and a half.
  bool wait_for_end() {
    return wait([&] { return ends_ > 0; });
  }
  bool wait_for_tokens(size_t count) {
    return wait([&] { return tokens_.size() >= count || ends_ > 0; });
  }
  // After the end.
  const std::string& text() const { return text_; }
  const std::vector<Token>& tokens() const { return tokens_; }
  const std::vector<TokenChoice>& choices() const { return choices_; }
  const CompletionEnd& end() const { return end_; }
  size_t ends() const { return ends_; }

 private:
  bool wait(const std::function<bool()>& holds) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(90), holds);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
  std::vector<Token> tokens_;
  std::vector<TokenChoice> choices_;
  CompletionEnd end_;
  size_t ends_ = 0;
};

/// The request that a session's generation with these options is.
inline CompletionRequest request_of(std::vector<Token> prompt, const GenerateOptions& options) {
  CompletionRequest request;
  request.prompt = std::move(prompt);
  request.sampling = options.sampling;
  request.max_tokens = options.max_tokens;
  request.stop = options.stop;
  request.ignore_end = options.ignore_end;
  return request;
}

}  // namespace caldera::test
