// What requests may say, and which field is named where they are wrong.
#include "server/openai_chat_request.hpp"

#include <gtest/gtest.h>

#include "server/anthropic_request.hpp"
#include "server/openai_completions.hpp"
#include "server/openai_responses_request.hpp"

namespace caldera::server {
namespace {

Json chat_body() {
  return {{"model", "m"}, {"messages", {{{"role", "user"}, {"content", "hi"}}}}};
}

template <typename Parse>
ApiError error_of(Parse parse, const Json& body) {
  try {
    parse(body);
  } catch (const RequestError& error) {
    return error.error();
  }
  return {.status = 200, .message = ""};
}

TEST(OpenAiChatRequest, ReadsEveryField) {
  const ChatRequest request = parse_openai_chat_request(Json::parse(R"({
    "model": "m", "temperature": 0.5, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "seed": -3, "n": 2,
    "presence_penalty": -1, "frequency_penalty": 2, "max_tokens": 5, "max_completion_tokens": 7,
    "stop": ["a", "b"], "logprobs": true, "top_logprobs": 3, "user": "u", "stream": true,
    "stream_options": {"include_usage": true}, "reasoning_effort": "none", "logit_bias": {},
    "parallel_tool_calls": false, "unknown": {"x": 1}, "service_tier": "auto", "store": null,
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "strict": true,
               "parameters": {"type": "object", "properties": {"z": {}, "a": {}}}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "messages": [
      {"role": "developer", "content": [{"type": "text", "text": "be "}, {"type": "text", "text": "kind"}]},
      {"role": "user", "content": "hi", "name": "bob"},
      {"role": "assistant", "content": null, "reasoning_content": "r",
       "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"z\":1}"}}]},
      {"role": "tool", "tool_call_id": "c1", "content": "out"}]})"));
  EXPECT_EQ(request.model, "m");
  const AnswerOptions& options = request.options;
  EXPECT_FLOAT_EQ(options.sampling.temperature, 0.5F);
  EXPECT_FLOAT_EQ(options.sampling.top_p, 0.9F);
  EXPECT_EQ(options.sampling.top_k, 5U);
  EXPECT_FLOAT_EQ(options.sampling.min_p, 0.1F);
  EXPECT_EQ(options.sampling.seed, static_cast<uint64_t>(-3));
  EXPECT_FLOAT_EQ(options.sampling.presence_penalty, -1);
  EXPECT_FLOAT_EQ(options.sampling.frequency_penalty, 2);
  EXPECT_EQ(options.n, 2U);
  EXPECT_EQ(options.max_tokens, 7U);
  EXPECT_EQ(options.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(options.top_logprobs, 3U);
  EXPECT_EQ(options.user, "u");
  EXPECT_EQ(options.format.kind, AnswerFormat::Kind::kJsonSchema);
  EXPECT_EQ(options.format.source, R"({"type":"object"})");
  EXPECT_TRUE(request.stream);
  EXPECT_TRUE(request.include_usage);
  EXPECT_FALSE(request.parallel_tool_calls);
  EXPECT_EQ(request.template_variables["enable_thinking"], false);
  EXPECT_EQ(request.tool_choice.kind, ToolChoice::Kind::kNamed);
  EXPECT_EQ(request.tools.dump(), R"([{"type":"function","function":{"name":"f","description":"d",)"
                                  R"("parameters":{"type":"object","properties":{"z":{},"a":{}}}}}])");
  EXPECT_EQ(request.messages.dump(),
            R"([{"role":"system","content":"be kind"},{"role":"user","content":"hi","name":"bob"},)"
            R"({"role":"assistant","content":"","reasoning_content":"r","tool_calls":[{"id":"c1",)"
            R"("type":"function","function":{"name":"f","arguments":{"z":1}}}]},)"
            R"({"role":"tool","content":"out","tool_call_id":"c1"}])");
}

TEST(OpenAiChatRequest, NamesTheFieldThatIsWrong) {
  const std::vector<std::tuple<const char*, const char*, const char*>> cases = {
      {R"({"model": null})", "model", "missing_required_parameter"},
      {R"({"model": 3})", "model", "invalid_type"},
      {R"({"messages": "hi"})", "messages", "invalid_type"},
      {R"({"messages": []})", "messages", "invalid_value"},
      {R"({"messages": [3]})", "messages[0]", "invalid_type"},
      {R"({"messages": [{"content": "x"}]})", "messages[0].role", "missing_required_parameter"},
      {R"({"messages": [{"role": "king", "content": "x"}]})", "messages[0].role", "invalid_value"},
      {R"({"messages": [{"role": "user"}]})", "messages[0].content", "missing_required_parameter"},
      {R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})",
       "messages[0].content[0].type", "unsupported_value"},
      {R"({"temperature": "hot"})", "temperature", "invalid_type"},
      {R"({"temperature": 2.5})", "temperature", "invalid_value"},
      {R"({"temperature": -1})", "temperature", "invalid_value"},
      {R"({"top_p": 1.5})", "top_p", "invalid_value"},
      {R"({"n": 0})", "n", "invalid_value"},
      {R"({"n": 129})", "n", "invalid_value"},
      {R"({"n": 1.5})", "n", "invalid_type"},
      {R"({"max_tokens": 0})", "max_tokens", "invalid_value"},
      {R"({"max_completion_tokens": 99999999999})", "max_completion_tokens", "invalid_value"},
      {R"({"seed": 18446744073709551615})", "seed", "invalid_value"},
      {R"({"presence_penalty": 3})", "presence_penalty", "invalid_value"},
      {R"({"stop": [""]})", "stop", "invalid_value"},
      {R"({"stop": [3]})", "stop[0]", "invalid_type"},
      {R"({"stop": {}})", "stop", "invalid_type"},
      {R"({"stream": 1})", "stream", "invalid_type"},
      {R"({"stream_options": {"include_usage": true}})", "stream_options", "invalid_value"},
      {R"({"top_logprobs": 2})", "top_logprobs", "invalid_value"},
      {R"({"logprobs": true, "top_logprobs": 21})", "top_logprobs", "invalid_value"},
      {R"({"logit_bias": {"50256": -100}})", "logit_bias", "unsupported_parameter"},
      {R"({"response_format": {"type": "xml"}})", "response_format.type", "invalid_value"},
      {R"({"response_format": {"type": "json_schema"}})", "response_format.json_schema",
       "missing_required_parameter"},
      {R"({"tools": [{"type": "web"}]})", "tools[0].type", "invalid_value"},
      {R"({"tools": [{"type": "function", "function": {"name": "a b"}}]})", "tools[0].function.name",
       "invalid_value"},
      {R"({"tool_choice": "required"})", "tool_choice", "invalid_value"},
      {R"({"tool_choice": "maybe"})", "tool_choice", "invalid_value"},
      {R"({"tools": [{"type": "function", "function": {"name": "f"}}],
           "tool_choice": {"type": "function", "function": {"name": "g"}}})",
       "tool_choice", "invalid_value"},
      {R"({"modalities": ["audio"]})", "modalities", "unsupported_value"},
  };
  for (const auto& [change, param, code] : cases) {
    Json body = chat_body();
    body.update(Json::parse(change));
    const ApiError error = error_of(parse_openai_chat_request, body);
    EXPECT_EQ(error.status, 400) << change;
    EXPECT_EQ(error.param, param) << change;
    EXPECT_EQ(error.code, code) << change;
  }
  EXPECT_EQ(error_of(parse_openai_chat_request, Json::array()).status, 400);
}

TEST(OpenAiCompletions, ReadsPrompts) {
  Json body = {{"model", "m"}, {"prompt", {"a", "b"}}, {"logprobs", 2}, {"echo", false}};
  CompletionsRequest request = parse_openai_completions(body);
  EXPECT_EQ(request.prompts.size(), 2U);
  EXPECT_EQ(request.options.max_tokens, 16U);
  EXPECT_EQ(request.options.top_logprobs, 2U);
  body["prompt"] = {1, 2, 3};
  request = parse_openai_completions(body);
  EXPECT_EQ(std::get<std::vector<Token>>(request.prompts.at(0)), (std::vector<Token>{1, 2, 3}));
  for (const char* prompt : {"[]", "[[-1]]", "[true]", "3", "[1, \"a\"]", "[4294967296]"}) {
    body["prompt"] = Json::parse(prompt);
    EXPECT_EQ(error_of(parse_openai_completions, body).status, 400) << prompt;
  }
  body["prompt"] = "x";
  body["suffix"] = "y";
  EXPECT_EQ(error_of(parse_openai_completions, body).param, "suffix");
}

TEST(OpenAiResponses, ReadsItems) {
  const ResponsesRequest request = parse_openai_responses(Json::parse(R"({
    "model": "m", "instructions": "be kind", "max_output_tokens": 9, "top_logprobs": 2,
    "include": ["message.output_text.logprobs"], "reasoning": {"effort": "low"},
    "text": {"format": {"type": "json_object"}},
    "tools": [{"type": "function", "name": "f", "parameters": null, "strict": true}],
    "tool_choice": {"type": "function", "name": "f"},
    "input": [
      {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
      {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
      {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
       "content": [{"type": "output_text", "text": "look", "annotations": []}]},
      {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
      {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
      {"type": "function_call_output", "call_id": "c1", "output": "out"}]})"));
  const ChatRequest& chat = request.chat;
  EXPECT_EQ(chat.options.max_tokens, 9U);
  EXPECT_EQ(chat.options.top_logprobs, 2U);
  EXPECT_EQ(chat.options.format.kind, AnswerFormat::Kind::kJson);
  EXPECT_EQ(chat.template_variables["reasoning_effort"], "low");
  ASSERT_EQ(chat.messages.size(), 4U);
  EXPECT_EQ(chat.messages[0]["content"], "be kind");
  EXPECT_EQ(chat.messages[2]["content"], "look");
  EXPECT_EQ(chat.messages[2]["reasoning_content"], "hm");
  EXPECT_EQ(chat.messages[2]["tool_calls"].size(), 2U);
  EXPECT_EQ(chat.messages[3]["role"], "tool");
  EXPECT_EQ(request.echo["max_output_tokens"], 9);
  const Json wrong = {{"model", "m"}, {"input", "x"}, {"previous_response_id", "resp_1"}};
  EXPECT_EQ(error_of(parse_openai_responses, wrong).param, "previous_response_id");
}

TEST(AnthropicRequest, ReadsBlocks) {
  const auto parse = [](const Json& body) { return parse_anthropic_request(body); };
  const ChatRequest request = parse(Json::parse(R"({
    "model": "m", "max_tokens": 9, "system": [{"type": "text", "text": "be kind", "cache_control": {}}],
    "stop_sequences": ["END"], "temperature": 1, "top_k": 3, "metadata": {"user_id": "u"},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
    "messages": [
      {"role": "user", "content": "hi"},
      {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "look"}, {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}]},
      {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "out"}]},
        {"type": "text", "text": "and?"}]}]})"));
  EXPECT_EQ(request.messages.dump(),
            R"([{"role":"system","content":"be kind"},{"role":"user","content":"hi"},)"
            R"({"role":"assistant","content":"look","reasoning_content":"hm","tool_calls":[{"id":"t1",)"
            R"("type":"function","function":{"name":"f","arguments":{"a":1}}}]},)"
            R"({"role":"tool","content":"out","tool_call_id":"t1"},{"role":"user","content":"and?"}])");
  EXPECT_EQ(request.tool_choice.kind, ToolChoice::Kind::kRequired);
  EXPECT_FALSE(request.parallel_tool_calls);
  EXPECT_EQ(request.options.stop, std::vector<std::string>{"END"});
  EXPECT_EQ(request.options.user, "u");
  EXPECT_EQ(request.template_variables["enable_thinking"], true);
  EXPECT_EQ(error_of(parse, {{"model", "m"}, {"messages", Json::array()}}).param, "max_tokens");
  EXPECT_EQ(error_of(parse, {{"model", "m"}, {"max_tokens", 1}, {"messages", Json::array()}}).param,
            "messages");
}

}  // namespace
}  // namespace caldera::server
