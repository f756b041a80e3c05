// Whole requests, with fakes for the model, the service and the connection. The expected shapes are those of
// https://platform.openai.com/docs/api-reference and https://docs.anthropic.com/en/api/messages.
#include "server/api_routes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "server/fake_model.hpp"
#include "server/fake_responder.hpp"

namespace caldera::server {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;

class ApiRoutes : public testing::Test {
 protected:
  std::shared_ptr<FakeResponder> begin(const std::string& path, const Json& body) {
    for (const Route& route : routes_) {
      if (route.path != path) continue;
      auto responder = std::make_shared<FakeResponder>();
      Request request;
      request.method = "POST";
      request.path = path;
      request.body = body.dump();
      request.client = "key";
      request.id = "req_1";
      route.handler(std::move(request), responder);
      return responder;
    }
    ADD_FAILURE() << "no route " << path;
    return std::make_shared<FakeResponder>();
  }
  std::shared_ptr<FakeResponder> ask(const std::string& path, const Json& body) {
    auto responder = begin(path, body);
    EXPECT_TRUE(responder->wait());
    return responder;
  }
  static Json chat(const std::string& text, Json more = Json::object()) {
    Json body = {{"model", "fake"}, {"messages", Json::array({{{"role", "user"}, {"content", text}}})}};
    body.update(more);
    return body;
  }
  static Json message(const std::string& text, Json more = Json::object()) {
    Json body = chat(text, {{"max_tokens", 1000}});
    body.update(more);
    return body;
  }

  FakeModel fake_;
  FixedModels models_{fake_.served()};
  Routes routes_ = api_routes(models_);
};

Json without(Json object, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    EXPECT_TRUE(object.contains(name)) << name;
    object.erase(name);
  }
  return object;
}

const Json kTools = Json::parse(R"([{"type": "function", "function": {"name": "weather"}},
                                    {"type": "function", "function": {"name": "time"}}])");
const Json kAnthropicTools = Json::parse(R"([{"name": "weather", "input_schema": {"type": "object"}}])");
const std::string kCall =
    "SAY Look.\n<tool_call>{\"name\": \"weather\", \"arguments\": {\"a\": 1}}</tool_call>";

TEST_F(ApiRoutes, ChatCompletion) {
  const auto answer = ask("/v1/chat/completions", chat("hi"));
  EXPECT_EQ(answer->status(), 200);
  const Json body = answer->json();
  EXPECT_EQ(body["id"].get<std::string>().substr(0, 9), "chatcmpl-");
  EXPECT_EQ(
      without(body, {"id", "created"}).dump(),
      R"({"object":"chat.completion","model":"fake","choices":[{"index":0,"message":)"
      R"({"role":"assistant","content":"Hello there!","refusal":null},"logprobs":null,)"
      R"("finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":12,"total_tokens":32,)"
      R"("prompt_tokens_details":{"cached_tokens":2},"completion_tokens_details":{"reasoning_tokens":0}},)"
      R"("system_fingerprint":"fp_caldera"})");
}

TEST_F(ApiRoutes, ChatOptionsReachTheService) {
  const auto answer = ask("/v1/chat/completions", chat("SAY abcdefghi", {{"n", 2},
                                                                         {"seed", 5},
                                                                         {"max_tokens", 4},
                                                                         {"user", "bob"},
                                                                         {"logprobs", true},
                                                                         {"top_logprobs", 1}}));
  const Json body = answer->json();
  ASSERT_EQ(body["choices"].size(), 2U);
  EXPECT_EQ(body["choices"][1]["index"], 1);
  EXPECT_EQ(body["choices"][1]["message"]["content"], "abcd");
  EXPECT_EQ(body["choices"][1]["finish_reason"], "length");
  EXPECT_EQ(
      body["choices"][1]["logprobs"]["content"][0].dump(),
      R"({"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"a","logprob":-0.5,"bytes":[97]}]})");
  EXPECT_EQ(body["usage"]["completion_tokens"], 8);
  const auto requests = fake_.service->requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0].sampling.seed, 5U);
  EXPECT_EQ(requests[1].sampling.seed, 6U);
  EXPECT_EQ(requests[0].client + "/" + requests[0].user, "key/bob");
}

TEST_F(ApiRoutes, ChatStream) {
  const auto answer =
      ask("/v1/chat/completions",
          chat("SAY abcde", {{"stream", true}, {"stream_options", {{"include_usage", true}}}}));
  const auto& events = answer->events();
  ASSERT_EQ(events.size(), 6U);
  EXPECT_EQ(
      without(events[0].json(), {"id", "created"}).dump(),
      R"({"object":"chat.completion.chunk","model":"fake","system_fingerprint":"fp_caldera",)"
      R"("choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,)"
      R"("finish_reason":null}],"usage":null})");
  EXPECT_EQ(events[1].json()["choices"].dump(),
            R"([{"index":0,"delta":{"content":"abc"},"logprobs":null,"finish_reason":null}])");
  EXPECT_EQ(events[3].json()["choices"].dump(),
            R"([{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}])");
  EXPECT_EQ(events[4].json()["choices"].dump(), "[]");
  EXPECT_EQ(events[4].json()["usage"]["completion_tokens"], 5);
  EXPECT_EQ(events[5].data, "[DONE]");
}

TEST_F(ApiRoutes, ChatToolCalls) {
  const auto whole = ask("/v1/chat/completions", chat(kCall, {{"tools", kTools}}));
  Json choice = whole->json()["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["message"]["content"], "Look.");
  EXPECT_EQ(without(choice["message"]["tool_calls"][0], {"id"}).dump(),
            R"({"type":"function","function":{"name":"weather","arguments":"{\"a\": 1}"}})");

  const auto stream = ask("/v1/chat/completions", chat(kCall, {{"tools", kTools}, {"stream", true}}));
  std::string content, arguments, id, name, reason;
  for (const auto& event : stream->events()) {
    if (event.data == "[DONE]") continue;
    const Json part = event.json()["choices"][0];
    content += part["delta"].value("content", "");
    if (part["delta"].contains("tool_calls")) {
      const Json call = part["delta"]["tool_calls"][0];
      EXPECT_EQ(call["index"], 0);
      id += call.value("id", "");
      name += call["function"].value("name", "");
      arguments += call["function"].value("arguments", "");
    }
    if (part["finish_reason"].is_string()) reason = part["finish_reason"];
  }
  EXPECT_EQ(content, "Look.");
  EXPECT_EQ(id.substr(0, 5), "call_");
  EXPECT_EQ(name, "weather");
  EXPECT_EQ(arguments, "{\"a\": 1}");
  EXPECT_EQ(reason, "tool_calls");
}

TEST_F(ApiRoutes, RequiredAndSingleToolCalls) {
  // The prompt ends with the call's beginning, which the model goes on with.
  const Json named = {{"type", "function"}, {"function", {{"name", "time"}}}};
  const auto forced = ask("/v1/chat/completions",
                          chat("SAY \"z\": 1}}</tool_call>", {{"tools", kTools}, {"tool_choice", named}}));
  EXPECT_EQ(forced->json()["choices"][0]["message"]["tool_calls"][0]["function"].dump(),
            R"({"name":"time","arguments":"{\"z\": 1}"})");
  const std::string call = "<tool_call>{\"name\": \"time\", \"arguments\": {}}</tool_call>";
  const auto single = ask("/v1/chat/completions", chat("SAY " + call + call + call,
                                                       {{"tools", kTools}, {"parallel_tool_calls", false}}));
  EXPECT_EQ(single->json()["choices"][0]["message"]["tool_calls"].size(), 1U);
  EXPECT_EQ(single->json()["choices"][0]["finish_reason"], "tool_calls");
  const auto none =
      ask("/v1/chat/completions", chat("SAY " + call, {{"tools", kTools}, {"tool_choice", "none"}}));
  EXPECT_EQ(none->json()["choices"][0]["message"]["content"], call);
}

TEST_F(ApiRoutes, ReasoningIsSplitOff) {
  const auto answer = ask("/v1/chat/completions", chat("THINKING SAY hmm\n</think>\n\nyes"));
  const Json message = answer->json()["choices"][0]["message"];
  EXPECT_EQ(message["reasoning_content"], "hmm");
  EXPECT_EQ(message["content"], "yes");
  EXPECT_GT(answer->json()["usage"]["completion_tokens_details"]["reasoning_tokens"], 3);
  const auto block = ask("/v1/messages", ApiRoutes::message("THINKING SAY hmm\n</think>\n\nyes"));
  EXPECT_EQ(block->json()["content"].dump(),
            R"([{"type":"thinking","thinking":"hmm","signature":"unsigned"},{"type":"text","text":"yes"}])");
}

TEST_F(ApiRoutes, TemplatesWithoutToolsAreToldOfThem) {
  fake_.language = std::make_shared<FakeLanguage>("{{ messages }}");
  FixedModels models(fake_.served());
  routes_ = api_routes(models);
  Json body = chat(kCall, {{"tools", kTools}});
  body["messages"].insert(
      body["messages"].begin(),
      Json{{"role", "assistant"},
           {"content", ""},
           {"tool_calls",
            {{{"id", "1"}, {"type", "function"}, {"function", {{"name", "time"}, {"arguments", "{}"}}}}}}});
  body["messages"].insert(body["messages"].begin() + 1, Json{{"role", "tool"}, {"content", "noon"}});
  const auto answer = ask("/v1/chat/completions", body);
  EXPECT_EQ(answer->json()["choices"][0]["message"]["tool_calls"].size(), 1U);
  const std::vector<Token> tokens = fake_.service->requests().at(0).prompt;
  const std::string prompt(tokens.begin(), tokens.end());
  EXPECT_THAT(prompt, testing::HasSubstr("<system>You can call"));
  EXPECT_THAT(prompt, testing::HasSubstr("<assistant><tool_call>\n{\"name\":\"time\",\"arguments\":{}}"));
  EXPECT_THAT(prompt, testing::HasSubstr("<user><tool_response>\nnoon\n</tool_response>"));
}

TEST_F(ApiRoutes, Completions) {
  const auto answer =
      ask("/v1/completions", {{"model", "fake"}, {"prompt", {"SAY abc", "SAY x"}}, {"echo", true}});
  const Json body = answer->json();
  EXPECT_EQ(body["object"], "text_completion");
  EXPECT_EQ(body["choices"][0]["text"], "SAY abcabc");
  EXPECT_EQ(body["choices"][1].dump(),
            R"({"text":"SAY xx","index":1,"logprobs":null,"finish_reason":"stop"})");
  EXPECT_EQ(body["usage"]["prompt_tokens"], 12);
  const auto stream =
      ask("/v1/completions", {{"model", "fake"}, {"prompt", "SAY abcd"}, {"stream", true}, {"logprobs", 1}});
  const auto& events = stream->events();
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events[1].json()["choices"].dump(),
            R"([{"text":"d","index":0,"logprobs":{"tokens":["d"],"token_logprobs":[-0.5],)"
            R"("top_logprobs":[{"a":-0.5}],"text_offset":[3]},"finish_reason":null}])");
  EXPECT_EQ(events[2].json()["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(events[3].data, "[DONE]");
}

TEST_F(ApiRoutes, Responses) {
  const auto answer = ask("/v1/responses", {{"model", "fake"}, {"input", "hi"}, {"instructions", "be kind"}});
  Json body = answer->json();
  EXPECT_EQ(body["object"], "response");
  EXPECT_EQ(body["status"], "completed");
  EXPECT_EQ(without(body["output"][0], {"id"}).dump(),
            R"({"type":"message","status":"completed","role":"assistant","content":[{"type":"output_text",)"
            R"("text":"Hello there!","annotations":[],"logprobs":[]}]})");
  EXPECT_EQ(body["usage"]["output_tokens"], 12);
  const auto cut = ask("/v1/responses", {{"model", "fake"}, {"input", "hi"}, {"max_output_tokens", 3}});
  EXPECT_EQ(cut->json()["status"], "incomplete");
  EXPECT_EQ(cut->json()["incomplete_details"]["reason"], "max_output_tokens");
}

std::vector<std::string> types(const FakeResponder& responder) {
  std::vector<std::string> types;
  for (const auto& event : responder.events()) {
    EXPECT_EQ(event.json()["type"], event.name);
    if (types.empty() || types.back() != event.name) types.push_back(event.name);
  }
  return types;
}

TEST_F(ApiRoutes, ResponsesStream) {
  const Json tools = Json::parse(R"([{"type": "function", "name": "weather", "parameters": {}}])");
  const auto answer = ask("/v1/responses", {{"model", "fake"},
                                            {"input", "THINKING SAY hm</think>Look" + kCall.substr(9)},
                                            {"stream", true},
                                            {"tools", tools}});
  EXPECT_THAT(
      types(*answer),
      ElementsAre("response.created", "response.in_progress", "response.output_item.added",
                  "response.content_part.added", "response.reasoning_text.delta",
                  "response.reasoning_text.done", "response.content_part.done", "response.output_item.done",
                  "response.output_item.added", "response.content_part.added", "response.output_text.delta",
                  "response.output_text.done", "response.content_part.done", "response.output_item.done",
                  "response.output_item.added", "response.function_call_arguments.delta",
                  "response.function_call_arguments.done", "response.output_item.done",
                  "response.completed"));
  for (size_t i = 0; i < answer->events().size(); ++i) {
    EXPECT_EQ(answer->events()[i].json()["sequence_number"], i);
  }
  const Json output = answer->events().back().json()["response"]["output"];
  ASSERT_EQ(output.size(), 3U);
  EXPECT_EQ(output[0]["content"][0]["text"], "hm");
  EXPECT_EQ(output[2]["arguments"], "{\"a\": 1}");
}

TEST_F(ApiRoutes, Messages) {
  const auto answer = ask("/v1/messages", message("SAY one END two", {{"stop_sequences", {"END"}}}));
  EXPECT_EQ(
      without(answer->json(), {"id"}).dump(),
      R"({"type":"message","role":"assistant","model":"fake","content":[{"type":"text","text":"one "}],)"
      R"("stop_reason":"stop_sequence","stop_sequence":"END","usage":{"input_tokens":31,)"
      R"("cache_creation_input_tokens":0,"cache_read_input_tokens":2,"output_tokens":4}})");
  const auto tool = ask("/v1/messages", message(kCall, {{"tools", kAnthropicTools}}));
  const Json block = tool->json()["content"][1];
  EXPECT_EQ(block["id"].get<std::string>().substr(0, 6), "toolu_");
  EXPECT_EQ(without(block, {"id"}).dump(), R"({"type":"tool_use","name":"weather","input":{"a":1}})");
  EXPECT_EQ(tool->json()["stop_reason"], "tool_use");
  const auto count = ask("/v1/messages/count_tokens", message("hi"));
  EXPECT_EQ(count->json().dump(), R"({"input_tokens":20})");
}

TEST_F(ApiRoutes, MessagesStream) {
  const auto answer = ask("/v1/messages", message(kCall, {{"tools", kAnthropicTools}, {"stream", true}}));
  EXPECT_THAT(types(*answer),
              ElementsAre("message_start", "ping", "content_block_start", "content_block_delta",
                          "content_block_stop", "content_block_start", "content_block_delta",
                          "content_block_stop", "message_delta", "message_stop"));
  const auto& events = answer->events();
  EXPECT_EQ(events[2].json().dump(),
            R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})");
  EXPECT_EQ(events[3].json().dump(),
            R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Loo"}})");
  std::string partial;
  for (const auto& event : events) {
    if (event.name == "content_block_delta") partial += event.json()["delta"].value("partial_json", "");
  }
  EXPECT_EQ(partial, "{\"a\": 1}");
  EXPECT_EQ(events[events.size() - 2].json()["delta"].dump(),
            R"({"stop_reason":"tool_use","stop_sequence":null})");
}

TEST_F(ApiRoutes, ErrorsInTheDialect) {
  const auto unknown = ask("/v1/chat/completions", chat("hi", {{"model", "none"}}));
  EXPECT_EQ(unknown->status(), 404);
  EXPECT_EQ(unknown->json()["error"]["code"], "model_not_found");
  const auto range = ask("/v1/chat/completions", chat("hi", {{"temperature", 9}}));
  EXPECT_EQ(range->status(), 400);
  EXPECT_EQ(range->json()["error"]["param"], "temperature");
  EXPECT_EQ(range->json()["error"]["type"], "invalid_request_error");
  const auto raised = ask("/v1/chat/completions", chat("RAISE"));
  EXPECT_EQ(raised->status(), 400);
  const auto full = ask("/v1/chat/completions", chat("FULL", {{"stream", true}}));
  EXPECT_EQ(full->status(), 429);
  EXPECT_EQ(full->header("Retry-After"), "7");
  const auto memory = ask("/v1/chat/completions", chat("FAIL"));
  EXPECT_EQ(memory->status(), 503);
  const auto schema = ask("/v1/chat/completions", chat("hi", {{"guided_json", {{"impossible", 1}}}}));
  EXPECT_EQ(schema->status(), 400);
  const auto longer = ask("/v1/chat/completions", chat(std::string(5000, 'x')));
  EXPECT_EQ(longer->json()["error"]["code"], "context_length_exceeded");
  const auto anthropic = ask("/v1/messages", message("FULL"));
  EXPECT_EQ(anthropic->status(), 429);
  EXPECT_EQ(anthropic->json()["type"], "error");
  EXPECT_EQ(anthropic->json()["error"]["type"], "rate_limit_error");
  const auto missing = ask("/v1/messages", chat("hi"));
  EXPECT_EQ(missing->json()["error"]["type"], "invalid_request_error");
  fake_.service->drain({});
  EXPECT_EQ(ask("/v1/messages", message("hi"))->status(), 503);
}

TEST_F(ApiRoutes, FailuresInAStream) {
  const auto chat_stream = ask("/v1/chat/completions", chat("FAIL", {{"stream", true}}));
  EXPECT_TRUE(chat_stream->events().back().json().contains("error"));
  const auto messages = ask("/v1/messages", message("FAIL", {{"stream", true}}));
  EXPECT_EQ(messages->events().back().name, "error");
  EXPECT_EQ(messages->events().back().json()["error"]["type"], "overloaded_error");
  const auto responses = ask("/v1/responses", {{"model", "fake"}, {"input", "FAIL"}, {"stream", true}});
  EXPECT_EQ(responses->events().back().name, "response.failed");
}

TEST_F(ApiRoutes, AClientThatGoesAwayCancels) {
  for (const bool stream : {false, true}) {
    const uint64_t before = fake_.service->cancelled();
    const auto answer = begin("/v1/chat/completions", chat("SLOW", {{"stream", stream}, {"n", 2}}));
    answer->close();
    for (int i = 0; i < 1000 && fake_.service->cancelled() < before + 2; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_EQ(fake_.service->cancelled(), before + 2);
  }
}

}  // namespace
}  // namespace caldera::server
