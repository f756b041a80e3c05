// Answers that are held to calls: what they let through, and that it is read as those calls.
#include "server/tool_call_format.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "caldera/error.hpp"
#include "server/anthropic_request.hpp"
#include "server/chat_prompt.hpp"
#include "server/fake_model.hpp"
#include "server/openai_chat_request.hpp"
#include "server/openai_responses_request.hpp"
#include "text/constraint.hpp"
#include "text/constraint_walker.hpp"
#include "text/tokenizer_fixtures.hpp"

namespace caldera::server {
namespace {

using testing::HasSubstr;

/// Constraints as of a model, over SmolLM2's tokens.
class HeldLanguage : public FakeLanguage {
 public:
  HeldLanguage(const text::ConstraintFactory& factory, std::string chat_template)
      : FakeLanguage(std::move(chat_template)), factory_(factory) {}
  bool constrains() const override { return true; }
  std::shared_ptr<TokenConstraint> constrain(const AnswerFormat& format) const override {
    return factory_.make(format);
  }

 private:
  const text::ConstraintFactory& factory_;
};

const Json kTools = Json::parse(R"([
  {"type": "function", "function": {"name": "weather", "parameters": {"type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"],
    "additionalProperties": false}}},
  {"type": "function", "function": {"name": "time", "parameters": {}}}])");

class ToolCallFormat : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    tokenizer_ = text::load_tokenizer("smollm");
    factory_ = std::make_unique<text::ConstraintFactory>(*tokenizer_);
    walker_ = std::make_unique<text::ConstraintWalker>(*tokenizer_);
  }
  static void TearDownTestSuite() {
    walker_.reset();
    factory_.reset();
    tokenizer_.reset();
  }
  void SetUp() override {
    if (!text::ConstraintFactory::available()) GTEST_SKIP() << "script/fetch-llguidance was not run";
  }

  static Json body(Json more) {
    Json all = {{"model", "m"}, {"messages", {{{"role", "user"}, {"content", "?"}}}}, {"tools", kTools}};
    all.update(more);
    return all;
  }
  ChatPrompt prompt(const Json& more) {
    return make_chat_prompt(hermes_, parse_openai_chat_request(body(more)));
  }
  ChatPrompt llama_prompt(const Json& more) {
    return make_chat_prompt(llama_, parse_openai_chat_request(body(more)));
  }
  bool accepts(const ChatPrompt& prompt, std::string_view text) {
    const auto constraint = hermes_.constrain(prompt.format);
    return constraint == nullptr || walker_->accepts(*constraint, text);
  }
  /// The calls of an answer, as "name arguments".
  static std::vector<std::string> calls(const ChatPrompt& prompt, std::string_view text) {
    AnswerParser parser(prompt.syntax);
    ModelAnswer answer;
    for (const char c : text) {
      for (const AnswerDelta& delta : parser.push(std::string_view(&c, 1))) apply_delta(answer, delta);
    }
    for (const AnswerDelta& delta : parser.finish()) apply_delta(answer, delta);
    std::vector<std::string> found;
    for (const AnswerBlock& block : answer.blocks) {
      if (block.kind == AnswerDelta::Kind::kToolCall) found.push_back(block.name + " " + block.text);
    }
    return found;
  }

  static inline std::unique_ptr<const text::Tokenizer> tokenizer_;
  static inline std::unique_ptr<const text::ConstraintFactory> factory_;
  static inline std::unique_ptr<text::ConstraintWalker> walker_;
  HeldLanguage hermes_{*factory_, "{{ tools }} <tool_call>"};
  HeldLanguage llama_{*factory_, "{{ tools }}"};
};

std::string hermes_call(const std::string& name, const std::string& arguments) {
  return "<tool_call>\n{\"name\": \"" + name + "\", \"arguments\": " + arguments + "}\n</tool_call>";
}

const std::string kRome = hermes_call("weather", R"({"city": "Rome"})");
const std::string kTime = hermes_call("time", R"({"zone": [1]})");

TEST_F(ToolCallFormat, TheModelIsFreeWhereNothingIsAsked) {
  EXPECT_EQ(prompt(Json::object()).format.kind, AnswerFormat::Kind::kText);
  EXPECT_EQ(prompt({{"tool_choice", "none"}}).format.kind, AnswerFormat::Kind::kText);
}

TEST_F(ToolCallFormat, RequiredCalls) {
  const ChatPrompt required = prompt({{"tool_choice", "required"}});
  EXPECT_EQ(required.syntax.begun, "");
  EXPECT_FALSE(required.syntax.reasoning);
  EXPECT_TRUE(accepts(required, kRome));
  const std::string both = kRome + "\n" + kTime;
  EXPECT_TRUE(accepts(required, both));
  EXPECT_EQ(calls(required, both),
            (std::vector<std::string>{R"(weather {"city": "Rome"})", R"(time {"zone": [1]})"}));
  EXPECT_FALSE(accepts(required, ""));
  EXPECT_FALSE(accepts(required, "Sunny."));
  EXPECT_FALSE(accepts(required, kRome + "\nSunny."));
  EXPECT_FALSE(accepts(required, hermes_call("weather", R"({"town": "Rome"})")));
  EXPECT_FALSE(accepts(required, hermes_call("weather", R"({"city": 3})")));
  EXPECT_FALSE(accepts(required, hermes_call("other", "{}")));
  EXPECT_FALSE(accepts(required, hermes_call("time", "3")));
  const ChatPrompt one = prompt({{"tool_choice", "required"}, {"parallel_tool_calls", false}});
  EXPECT_TRUE(accepts(one, kRome));
  EXPECT_FALSE(accepts(one, both));
}

TEST_F(ToolCallFormat, ANamedTool) {
  const ChatPrompt named =
      prompt({{"tool_choice", {{"type", "function"}, {"function", {{"name", "time"}}}}}});
  EXPECT_TRUE(accepts(named, kTime));
  EXPECT_FALSE(accepts(named, kRome));
  EXPECT_FALSE(accepts(named, kTime + "\n" + kTime));
}

TEST_F(ToolCallFormat, TheStyleOfLlama) {
  const ChatPrompt required = llama_prompt({{"tool_choice", "required"}});
  const std::string rome = R"({"name": "weather", "parameters": {"city": "Rome", "days": 2}})";
  const std::string time = R"({"name": "time", "parameters": {}})";
  EXPECT_TRUE(accepts(required, rome + "; " + time));
  EXPECT_EQ(calls(required, rome + "; " + time).size(), 2U);
  EXPECT_FALSE(accepts(required, "Sunny."));
  Json tools = kTools;
  tools[0]["function"]["strict"] = true;
  const ChatPrompt strict = llama_prompt({{"tools", tools}});
  for (const std::string& text : {rome, std::string("Sunny {or} not."), std::string()}) {
    EXPECT_TRUE(accepts(strict, text)) << text;
  }
  EXPECT_FALSE(accepts(strict, R"({"name": "weather", "parameters": {"days": 2}})"));
}

TEST_F(ToolCallFormat, StrictToolsHoldCallsAndLeaveTextFree) {
  Json tools = kTools;
  tools[0]["function"]["strict"] = true;
  const ChatPrompt strict = prompt({{"tools", tools}});
  for (const std::string& text : {std::string("Sunny, <b>I think</b>.\nReally."), std::string(), kRome,
                                  "Let me see.\n\n" + kRome, kTime}) {
    EXPECT_TRUE(accepts(strict, text)) << text;
  }
  EXPECT_EQ(calls(strict, "Let me see.\n\n" + kRome).size(), 1U);
  EXPECT_FALSE(accepts(strict, hermes_call("weather", "{}")));
  EXPECT_FALSE(accepts(strict, "Well: " + hermes_call("weather", R"({"city": 1})")));
  EXPECT_FALSE(accepts(strict, "<tool_call>"));
}

TEST_F(ToolCallFormat, ToolsBesideAFormat) {
  const Json format = {{"type", "json_schema"},
                       {"json_schema", {{"name", "n"}, {"schema", {{"type", "array"}}}}}};
  const ChatPrompt either = prompt({{"response_format", format}});
  EXPECT_TRUE(accepts(either, "[1, 2]"));
  EXPECT_TRUE(accepts(either, kRome));
  EXPECT_FALSE(accepts(either, "Sunny."));
  EXPECT_FALSE(accepts(either, "{}"));
  const ChatPrompt pattern = prompt({{"response_format", {{"type", "regex"}, {"pattern", "a+"}}}});
  EXPECT_TRUE(accepts(pattern, "aa"));
  EXPECT_FALSE(accepts(pattern, kRome));
}

TEST_F(ToolCallFormat, SchemasThatCannotBeHeld) {
  Json tools = kTools;
  for (const Json& schema : {Json{{"not", {{"type", "null"}}}},
                             Json{{"type", "object"}, {"properties", {{"a", {{"pattern", "(?=x)"}}}}}}}) {
    tools[0]["function"]["parameters"] = schema;
    tools[0]["function"]["strict"] = false;
    const ChatPrompt loose = prompt({{"tools", tools}, {"tool_choice", "required"}});
    EXPECT_TRUE(accepts(loose, kRome)) << schema;
    EXPECT_FALSE(accepts(loose, hermes_call("weather", "[]"))) << schema;
    tools[0]["function"]["strict"] = true;
    try {
      prompt({{"tools", tools}});
      ADD_FAILURE() << schema;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
    }
  }
}

TEST_F(ToolCallFormat, StrictInEveryDialect) {
  const Json parameters = {{"type", "object"}};
  const ChatRequest messages =
      parse_anthropic_request({{"model", "m"},
                               {"max_tokens", 9},
                               {"messages", {{{"role", "user"}, {"content", "?"}}}},
                               {"tools", {{{"name", "f"}, {"input_schema", parameters}, {"strict", true}}}}});
  EXPECT_TRUE(messages.strict_tools.contains("f"));
  const ChatRequest responses =
      parse_openai_responses(
          {{"model", "m"},
           {"input", "?"},
           {"tools", {{{"type", "function"}, {"name", "f"}, {"parameters", parameters}, {"strict", true}}}}})
          .chat;
  EXPECT_TRUE(responses.strict_tools.contains("f"));
  EXPECT_FALSE(responses.tools[0]["function"].contains("strict"));
}

}  // namespace
}  // namespace caldera::server
