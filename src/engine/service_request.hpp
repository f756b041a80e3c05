// A request as everybody in the service knows it: who asks, the thread that answers, who wants its status.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "caldera/service.hpp"

namespace caldera::engine {

struct ServiceRequest {
  using Clock = std::chrono::steady_clock;

  uint64_t id = 0;
  CompletionRequest request;
  std::shared_ptr<CompletionListener> listener;
  Clock::time_point came = Clock::now();

  std::atomic<bool> cancelled = false;  ///< somebody wants it to end
  std::atomic<bool> ended = false;      ///< nothing comes any more but on_end()
  std::atomic<RequestStatus::Stage> stage = RequestStatus::Stage::kWaiting;
  std::atomic<uint32_t> read_tokens = 0;
  std::atomic<uint32_t> completion_tokens = 0;

  double seconds() const { return std::chrono::duration<double>(Clock::now() - came).count(); }
  RequestStatus status() const {
    return {id,          request.user.empty() ? request.client : request.client + "/" + request.user,
            stage,       static_cast<uint32_t>(request.prompt.size()),
            read_tokens, completion_tokens,
            seconds()};
  }
};

}  // namespace caldera::engine
