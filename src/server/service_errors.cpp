#include "server/service_errors.hpp"

namespace caldera::server {

ApiError refusal(const Service& service, const Admission& admission) {
  const bool draining = service.status().draining;
  return {.status = draining ? 503 : 429,
          .message = draining ? "the server is shutting down: try again later"
                              : "too many requests are waiting: try again later",
          .code = draining ? "server_shutting_down" : "rate_limit_exceeded",
          .retry_after = admission.retry_after};
}

std::optional<ApiError> failure(const CompletionEnd& end) {
  switch (end.reason) {
    case StopReason::kOutOfMemory:
    case StopReason::kDeviceLost:
      return ApiError{.status = 503,
                      .message = end.error.empty() ? "the device could not go on" : end.error,
                      .code = end.reason == StopReason::kOutOfMemory ? "out_of_memory" : "device_lost"};
    case StopReason::kCancelled:
      // A format that takes too much work to hold shows in the middle of an answer.
      if (!end.error.empty()) return ApiError{.status = 400, .message = end.error};
      return ApiError{.status = 503,
                      .message = "the answer was cut short: the server is shutting down",
                      .code = "server_shutting_down"};
    default:
      return std::nullopt;
  }
}

}  // namespace caldera::server
