// Errors as clients of the two dialects expect them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "server/handler.hpp"

namespace caldera {
class Error;
}

namespace caldera::server {

/// An answer that is an error.
struct ApiError {
  int status = 500;
  std::string message;  ///< one line: what, where, how to mend
  std::string code;     ///< "model_not_found"; empty: null
  std::string param;    ///< of the body, that is wrong; empty: null
  std::string type;     ///< empty: what the dialect says for the status
  std::optional<std::chrono::seconds> retry_after{};
};

enum class Dialect {
  kOpenAi,     ///< {"error":{"message","type","param","code"}}
  kAnthropic,  ///< {"type":"error","error":{"type","message"},"request_id"}
};

/// kAnthropic for /v1/messages and what is below it.
Dialect dialect_of(std::string_view path);

/// The body of an answer, one JSON object. Broken UTF-8 in it becomes U+FFFD.
/// Shapes: https://platform.openai.com/docs/guides/error-codes, https://docs.anthropic.com/en/api/errors
std::string error_body(Dialect dialect, const ApiError& error, std::string_view request_id = {});

/// Sends `error`, with Retry-After where it says when.
void send_error(Responder& responder, Dialect dialect, const ApiError& error,
                std::string_view request_id = {});

/// What an Error of the engine is to a client: kUsage, kInput, kContext, kUnsupported 400, kMemory and
/// kDevice 503, all else 500.
ApiError api_error(const Error& error);

}  // namespace caldera::server
