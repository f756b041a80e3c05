// Conversations with tools through the templates that models carry.
#include "server/chat_prompt.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "caldera/error.hpp"
#include "server/anthropic_request.hpp"
#include "server/fake_model.hpp"
#include "server/openai_chat_request.hpp"
#include "server/openai_completions.hpp"
#include "server/openai_responses_request.hpp"
#include "text/chat_template.hpp"

namespace caldera::server {
namespace {

using testing::HasSubstr;

class TemplateLanguage : public FakeLanguage {
 public:
  explicit TemplateLanguage(const std::string& source) : FakeLanguage(source, 1 << 20), template_(source) {}
  std::string apply_chat_template(std::string_view messages_json, const ChatOptions& options) const override {
    text::ChatInput input;
    input.messages = Json::parse(messages_json);
    if (!options.tools_json.empty()) input.tools = Json::parse(options.tools_json);
    if (!options.extra_json.empty()) input.extra = Json::parse(options.extra_json);
    return template_.render(input);
  }

 private:
  text::ChatTemplate template_;
};

std::string read(const std::string& name) {
  std::ifstream file(std::string(CALDERA_TEST_DATA) + "/template/models/" + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

ChatRequest conversation(Json more = Json::object()) {
  Json body = Json::parse(R"({"model": "m",
    "tools": [{"type": "function", "function": {"name": "weather", "description": "d",
               "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}],
    "messages": [
      {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
      {"role": "user", "content": "Rain?"},
      {"role": "assistant", "content": null, "tool_calls": [{"id": "abcdefghi", "type": "function",
        "function": {"name": "weather", "arguments": "{\"city\":\"Rome\"}"}}]},
      {"role": "tool", "tool_call_id": "abcdefghi", "content": "sunny"}]})");
  body.update(more);
  return parse_openai_chat_request(body);
}

std::string text_of(const ChatPrompt& prompt) {
  return {prompt.tokens.begin(), prompt.tokens.end()};
}

TEST(ChatPrompt, EveryTemplateTakesCallsAndResults) {
  size_t templates = 0;
  for (const auto& entry : std::filesystem::directory_iterator(CALDERA_TEST_DATA "/template/models")) {
    if (entry.path().extension() != ".jinja") continue;
    const std::string name = entry.path().filename();
    const TemplateLanguage language(read(name));
    std::string prompt;
    try {
      prompt = text_of(make_chat_prompt(language, conversation()));
    } catch (const Error& error) {
      // A template may refuse a system message or a role, in its own words; nothing else may fail.
      EXPECT_EQ(error.kind(), ErrorKind::kInput) << name;
      EXPECT_THAT(name, testing::AnyOf(HasSubstr("gemma"), HasSubstr("mistral-v0.1"))) << error.what();
      continue;
    }
    ++templates;
    // Some drop what was called and what it gave, where the last message is not the user's.
    EXPECT_THAT(prompt, HasSubstr("Rain?")) << name;
    EXPECT_THAT(prompt, HasSubstr("sunny")) << name;
  }
  EXPECT_GT(templates, 15U);
}

TEST(ChatPrompt, FollowsQwen3) {
  const TemplateLanguage language(read("qwen3.jinja"));
  const ChatPrompt prompt = make_chat_prompt(language, conversation());
  EXPECT_EQ(prompt.syntax.style, ToolStyle::kHermes);
  EXPECT_EQ(prompt.syntax.tools, std::vector<std::string>{"weather"});
  EXPECT_THAT(text_of(prompt),
              HasSubstr("<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}"));
  EXPECT_THAT(text_of(prompt), HasSubstr("<tool_response>\nsunny\n</tool_response>"));
  const std::string quiet = text_of(make_chat_prompt(language, conversation({{"reasoning_effort", "none"}})));
  EXPECT_TRUE(quiet.ends_with("<think>\n\n</think>\n\n")) << quiet;
  const ChatPrompt required = make_chat_prompt(language, conversation({{"tool_choice", "required"}}));
  EXPECT_TRUE(text_of(required).ends_with("<tool_call>\n{\"name\": \"")) << text_of(required);
}

TEST(ChatPrompt, LeavesReasoningWhereACallMustCome) {
  const TemplateLanguage language("{{ tools }}<tool_call>{{ messages[1].content }}<think>\n");
  EXPECT_TRUE(make_chat_prompt(language, conversation()).syntax.inside_reasoning);
  const Json choice = {{"type", "function"}, {"function", {{"name", "weather"}}}};
  const ChatPrompt forced = make_chat_prompt(language, conversation({{"tool_choice", choice}}));
  EXPECT_FALSE(forced.syntax.inside_reasoning);
  EXPECT_THAT(text_of(forced),
              HasSubstr("<think></think>\n\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {"));
}

/// A value of any kind, with names that requests know.
Json any_value(std::mt19937& random, int depth) {
  static const std::vector<std::string> kNames = {
      "model",           "messages",    "role",           "content",    "type",           "text",
      "tools",           "function",    "name",           "parameters", "tool_calls",     "arguments",
      "tool_choice",     "input",       "prompt",         "stop",       "stop_sequences", "max_tokens",
      "system",          "stream",      "stream_options", "n",          "logprobs",       "top_logprobs",
      "response_format", "json_schema", "schema",         "format",     "include",        "reasoning",
      "effort",          "thinking",    "tool_use_id",    "id",         "input_schema",   "output",
      "call_id",         "temperature", "top_k",          "seed",       "logit_bias",     "metadata",
      "output_config"};
  static const std::vector<std::string> kWords = {"user",
                                                  "assistant",
                                                  "system",
                                                  "tool",
                                                  "text",
                                                  "function",
                                                  "message",
                                                  "function_call",
                                                  "function_call_output",
                                                  "tool_use",
                                                  "tool_result",
                                                  "reasoning",
                                                  "json_schema",
                                                  "auto",
                                                  "required",
                                                  "",
                                                  "x",
                                                  "{\"a\":1}"};
  switch (random() % (depth > 0 ? 8 : 5)) {
    case 0:
      return nullptr;
    case 1:
      return random() % 2 == 0;
    case 2:
      return static_cast<int64_t>(random() % 7) - 2;
    case 3:
      return static_cast<double>(random() % 1000) * 1e300;
    case 4:
      return kWords[random() % kWords.size()];
    case 5: {
      Json list = Json::array();
      for (size_t i = random() % 4; i > 0; --i) list.push_back(any_value(random, depth - 1));
      return list;
    }
    default: {
      Json object = Json::object();
      for (size_t i = random() % 8; i > 0; --i) {
        object[kNames[random() % kNames.size()]] = any_value(random, depth - 1);
      }
      return object;
    }
  }
}

TEST(Requests, AnythingIsReadOrRefused) {
  std::mt19937 random(11);
  const std::vector<Json> seeds = {
      Json::parse(R"({"model":"m","max_tokens":9,"prompt":"x","input":[{"role":"user","content":"x"}],
        "messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"text","text":"y"}]}],
        "tools":[{"type":"function","name":"f","input_schema":{},"function":{"name":"f"}}]})"),
  };
  const auto mutate = [&](Json body) {
    for (size_t changes = 1 + random() % 3; changes > 0; --changes) {
      Json* place = &body;
      while (place->is_structured() && !place->empty() && random() % 4 != 0) {
        auto child = place->begin();
        std::advance(child, random() % place->size());
        place = &*child;
      }
      *place = any_value(random, 4);
    }
    return body;
  };
  size_t read = 0;
  const auto attempt = [&](auto parse, const Json& body) {
    try {
      parse(body);
      ++read;
    } catch (const RequestError& error) {
      EXPECT_EQ(error.error().status, 400);
    }
  };
  const TemplateLanguage language("{{ messages }}");
  for (int round = 0; round < 3000; ++round) {
    const Json body = mutate(seeds[0]);
    attempt([&](const Json& json) { make_chat_prompt(language, parse_openai_chat_request(json)); }, body);
    attempt([&](const Json& json) { make_chat_prompt(language, parse_anthropic_request(json)); }, body);
    attempt([&](const Json& json) { make_chat_prompt(language, parse_openai_responses(json).chat); }, body);
    attempt([](const Json& json) { parse_openai_completions(json); }, body);
  }
  EXPECT_GT(read, 1000U);
}

}  // namespace
}  // namespace caldera::server
