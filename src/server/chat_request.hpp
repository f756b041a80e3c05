// A request for answers as all dialects come to it: what the model is to read, and how it is to answer.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "caldera/session.hpp"
#include "server/fields.hpp"
#include "server/language.hpp"

namespace caldera::server {

/// Most messages, or items, of one conversation.
inline constexpr size_t kMaxMessages = 4096;
inline constexpr size_t kMaxTools = 1024;

/// How answers are drawn and where they end.
struct AnswerOptions {
  SamplingOptions sampling;
  uint32_t max_tokens = 0;  ///< 0: until the model ends or the context is full
  std::vector<std::string> stop;
  bool ignore_end = false;
  std::optional<uint32_t> top_logprobs;  ///< as CompletionRequest::top_logprobs
  AnswerFormat format;
  uint32_t n = 1;    ///< answers to the same prompt
  std::string user;  ///< who asks, in the client's own words; empty: not said
};

/// Which tools the model may call.
struct ToolChoice {
  enum class Kind { kAuto, kNone, kRequired, kNamed };
  Kind kind = Kind::kAuto;
  std::string name;  ///< of kNamed
};

/// A conversation to go on with.
struct ChatRequest {
  std::string model;
  /// In the shape of the OpenAI API, as chat templates read them: content is a string, the arguments of tool
  /// calls are objects where they are JSON, "developer" is "system".
  Json messages = Json::array();
  Json tools = Json::array();          ///< {"type":"function","function":{"name","description","parameters"}}
  std::set<std::string> strict_tools;  ///< whose arguments must fit their schema
  ToolChoice tool_choice;
  bool parallel_tool_calls = true;
  Json template_variables = Json::object();  ///< "enable_thinking", "reasoning_effort" and what clients send
  AnswerOptions options;
  bool stream = false;
  bool include_usage = false;  ///< of a stream
};

}  // namespace caldera::server
