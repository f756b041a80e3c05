#include "server/api_error.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "caldera/error.hpp"

namespace caldera::server {
namespace {

std::string_view openai_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

std::string_view anthropic_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
    case 529:
      return "overloaded_error";
    case 504:
      return "timeout_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

nlohmann::ordered_json text_or_null(const std::string& text) {
  return text.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(text);
}

}  // namespace

Dialect dialect_of(std::string_view path) {
  constexpr std::string_view kMessages = "/v1/messages";
  const bool messages =
      path.starts_with(kMessages) && (path.size() == kMessages.size() || path[kMessages.size()] == '/');
  return messages ? Dialect::kAnthropic : Dialect::kOpenAi;
}

std::string error_body(Dialect dialect, const ApiError& error, std::string_view request_id) {
  nlohmann::ordered_json body;
  if (dialect == Dialect::kAnthropic) {
    body = {{"type", "error"},
            {"error",
             {{"type", error.type.empty() ? std::string(anthropic_type(error.status)) : error.type},
              {"message", error.message}}}};
    if (!request_id.empty()) body["request_id"] = request_id;
  } else {
    body = {{"error",
             {{"message", error.message},
              {"type", error.type.empty() ? std::string(openai_type(error.status)) : error.type},
              {"param", text_or_null(error.param)},
              {"code", text_or_null(error.code)}}}};
  }
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void send_error(Responder& responder, Dialect dialect, const ApiError& error, std::string_view request_id) {
  Headers headers;
  if (error.retry_after) headers.push_back({"Retry-After", fmt::to_string(error.retry_after->count())});
  responder.send(error.status, error_body(dialect, error, request_id), std::move(headers));
}

ApiError api_error(const Error& error) {
  ApiError answer{.message = error.what()};
  switch (error.kind()) {
    case ErrorKind::kUsage:
    case ErrorKind::kInput:
    case ErrorKind::kUnsupported:
      answer.status = 400;
      break;
    case ErrorKind::kContext:
      answer.status = 400;
      answer.code = "context_length_exceeded";
      break;
    case ErrorKind::kMemory:
    case ErrorKind::kDevice:
      answer.status = 503;
      break;
    case ErrorKind::kInternal:
    case ErrorKind::kFile:
    case ErrorKind::kFormat:
      break;
  }
  return answer;
}

}  // namespace caldera::server
