// What a service's refusals and failures are to clients.
#pragma once

#include <optional>

#include "caldera/service.hpp"
#include "server/api_error.hpp"

namespace caldera::server {

/// Of a request that was not admitted: 429, or 503 while the service drains.
ApiError refusal(const Service& service, const Admission& admission);

/// Of one that did not end by itself: 503. Nothing where it did.
std::optional<ApiError> failure(const CompletionEnd& end);

}  // namespace caldera::server
