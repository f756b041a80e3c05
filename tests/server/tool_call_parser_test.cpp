#include "server/tool_call_parser.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <random>

#include "server/model_answer.hpp"

namespace caldera::server {

void PrintTo(const AnswerDelta& delta, std::ostream* out) {
  *out << static_cast<int>(delta.kind) << "/" << delta.call << ":" << delta.text;
}

namespace {

using Kind = AnswerDelta::Kind;

/// Deltas of `text` in pieces of `step` bytes, those of the same kind joined.
std::vector<AnswerDelta> parse(const AnswerSyntax& syntax, std::string_view text, size_t step) {
  AnswerParser parser(syntax);
  std::vector<AnswerDelta> all;
  const auto add = [&](const std::vector<AnswerDelta>& deltas) {
    for (const AnswerDelta& delta : deltas) {
      if (delta.kind == Kind::kToolCall) {
        all.push_back(delta);
      } else {
        add_delta(all, delta.kind, delta.text, delta.call);
      }
    }
  };
  for (size_t i = 0; i < text.size(); i += step) add(parser.push(text.substr(i, step)));
  add(parser.finish());
  return all;
}

AnswerSyntax syntax(ToolStyle style) {
  AnswerSyntax syntax;
  syntax.style = style;
  syntax.tools = {"weather", "time"};
  return syntax;
}

struct Case {
  const char* name;
  ToolStyle style;
  std::string text;
  std::vector<AnswerDelta> expected;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"plain",
       ToolStyle::kHermes,
       "Hello, a < b and <tool> too.\n",
       {{Kind::kContent, "Hello, a < b and <tool> too.\n"}}},
      {"hermes",
       ToolStyle::kHermes,
       "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>",
       {{Kind::kToolCall, "weather", 0}, {Kind::kToolArguments, "{\"city\": \"Rome\"}", 0}}},
      {"content before and two calls",
       ToolStyle::kHermes,
       "I look.\n\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"a\": [1, {\"b\": \"}\\\"\"}]}}\n"
       "</tool_call>\n<tool_call>{\"arguments\": {}, \"name\": \"time\"}</tool_call>\n",
       {{Kind::kContent, "I look."},
        {Kind::kToolCall, "weather", 0},
        {Kind::kToolArguments, "{\"a\": [1, {\"b\": \"}\\\"\"}]}", 0},
        {Kind::kToolCall, "time", 1},
        {Kind::kToolArguments, "{}", 1}}},
      {"no arguments",
       ToolStyle::kHermes,
       "<tool_call>{\"name\": \"time\"}</tool_call>",
       {{Kind::kToolCall, "time", 0}, {Kind::kToolArguments, "{}", 0}}},
      {"arguments in a string",
       ToolStyle::kHermes,
       "<tool_call>{\"name\": \"time\", \"arguments\": \"{\\\"z\\\": 1}\"}</tool_call>",
       {{Kind::kToolCall, "time", 0}, {Kind::kToolArguments, "{\"z\": 1}", 0}}},
      {"malformed",
       ToolStyle::kHermes,
       "\n<tool_call>\n{\"name\": weather}\n</tool_call> so",
       {{Kind::kContent, "\n<tool_call>\n{\"name\": weather}\n</tool_call> so"}}},
      {"malformed, then a call",
       ToolStyle::kHermes,
       "<tool_call>nothing <tool_call>{\"name\": \"time\"}</tool_call>",
       {{Kind::kContent, "<tool_call>nothing"},
        {Kind::kToolCall, "time", 0},
        {Kind::kToolArguments, "{}", 0}}},
      {"unknown tool",
       ToolStyle::kHermes,
       "<tool_call>{\"name\": \"rm\", \"arguments\": {}}</tool_call>",
       {{Kind::kContent, "<tool_call>{\"name\": \"rm\", \"arguments\": {}}</tool_call>"}}},
      {"cut short in the arguments",
       ToolStyle::kHermes,
       "<tool_call>{\"name\":\"time\",\"arguments\":{\"a\":",
       {{Kind::kToolCall, "time", 0}, {Kind::kToolArguments, "{\"a\":", 0}}},
      {"cut short before",
       ToolStyle::kHermes,
       "Well <tool_call>{\"na",
       {{Kind::kContent, "Well <tool_call>{\"na"}}},
      {"half a marker at the end", ToolStyle::kHermes, "a <tool_ca", {{Kind::kContent, "a <tool_ca"}}},
      {"breaks when it is out",
       ToolStyle::kHermes,
       "<tool_call>{\"name\":\"time\",\"arguments\":{\"a\": !}}</tool_call>after",
       {{Kind::kToolCall, "time", 0}, {Kind::kToolArguments, "{\"a\": ", 0}, {Kind::kContent, "after"}}},
      {"llama",
       ToolStyle::kLlama3,
       "{\"name\": \"weather\", \"parameters\": {\"city\": \"Oslo\"}}",
       {{Kind::kToolCall, "weather", 0}, {Kind::kToolArguments, "{\"city\": \"Oslo\"}", 0}}},
      {"llama with a type",
       ToolStyle::kLlama3,
       "<|python_tag|>{\"type\": \"function\", \"name\": \"time\", \"parameters\": {\"n\": 1}}; "
       "{\"name\": \"weather\", \"parameters\": {}}",
       {{Kind::kToolCall, "time", 0},
        {Kind::kToolArguments, "{\"n\": 1}", 0},
        {Kind::kToolCall, "weather", 1},
        {Kind::kToolArguments, "{}", 1}}},
      {"llama answers in JSON",
       ToolStyle::kLlama3,
       "{\"name\": \"Bob\", \"age\": 3}",
       {{Kind::kContent, "{\"name\": \"Bob\", \"age\": 3}"}}},
      {"llama list",
       ToolStyle::kLlama3,
       "[{\"name\": \"time\", \"arguments\": {}}]",
       {{Kind::kToolCall, "time", 0}, {Kind::kToolArguments, "{}", 0}}},
      {"llama text", ToolStyle::kLlama3, "It is {late}.", {{Kind::kContent, "It is {late}."}}},
      {"reasoning",
       ToolStyle::kHermes,
       "<think>\nHm, <tool_call>?\n</think>\n\n<tool_call>{\"name\": \"time\"}</tool_call>",
       {{Kind::kReasoning, "Hm, <tool_call>?"},
        {Kind::kToolCall, "time", 0},
        {Kind::kToolArguments, "{}", 0}}},
      {"reasoning without tools",
       ToolStyle::kNone,
       "<think>a </thin b</think> c</think>",
       {{Kind::kReasoning, "a </thin b"}, {Kind::kContent, "c</think>"}}},
      {"reasoning cut short", ToolStyle::kNone, "<think>a </th", {{Kind::kReasoning, "a </th"}}},
      {"no reasoning", ToolStyle::kNone, " <thinking is hard", {{Kind::kContent, " <thinking is hard"}}},
  };
  return kCases;
}

TEST(ToolCallParser, TakesCallsOutOfTextHoweverItComes) {
  for (const Case& each : cases()) {
    for (const size_t step : {1, 2, 3, 5, 7, 1000}) {
      EXPECT_EQ(parse(syntax(each.style), each.text, step), each.expected) << each.name << ", step " << step;
    }
  }
}

TEST(ToolCallParser, BeginsWithinReasoningAndCalls) {
  AnswerSyntax inside = syntax(ToolStyle::kHermes);
  inside.inside_reasoning = true;
  EXPECT_EQ(parse(inside, "hm</think>yes", 2),
            (std::vector<AnswerDelta>{{Kind::kReasoning, "hm"}, {Kind::kContent, "yes"}}));
  AnswerSyntax begun = syntax(ToolStyle::kHermes);
  begun.reasoning = false;
  begun.begun = "<tool_call>\n{\"name\": \"time\", \"arguments\": {";
  EXPECT_EQ(
      parse(begun, "\"a\": 1}}\n</tool_call>", 3),
      (std::vector<AnswerDelta>{{Kind::kToolCall, "time", 0}, {Kind::kToolArguments, "{\"a\": 1}", 0}}));
}

TEST(ToolCallParser, HoldsBackNoMoreThanAMarker) {
  ToolCallParser parser(ToolStyle::kHermes, {"time"});
  std::vector<AnswerDelta> deltas;
  parser.push("Hello <tool", deltas);
  EXPECT_EQ(deltas, (std::vector<AnswerDelta>{{Kind::kContent, "Hello"}}));
  parser.push("box", deltas);
  EXPECT_EQ(deltas, (std::vector<AnswerDelta>{{Kind::kContent, "Hello <toolbox"}}));
  deltas.clear();
  parser.push("<tool_call>{\"name\":\"time\",\"arguments\":{\"text\":\"a", deltas);
  EXPECT_EQ(deltas, (std::vector<AnswerDelta>{{Kind::kToolCall, "time", 0},
                                              {Kind::kToolArguments, "{\"text\":\"a", 0}}));
}

TEST(ToolCallParser, SurvivesAnything) {
  const std::vector<std::string> pieces = {"<tool_call>",
                                           "</tool_call>",
                                           "<think>",
                                           "</think>",
                                           "{",
                                           "}",
                                           "[",
                                           "]",
                                           "\"name\"",
                                           ":",
                                           "\"time\"",
                                           ",",
                                           "\"arguments\"",
                                           "\\",
                                           "\"",
                                           " ",
                                           "\n",
                                           "x",
                                           "1e5",
                                           "<|python_tag|>",
                                           ";",
                                           "\\u12",
                                           "\x01",
                                           "{\"name\":\"time\",\"arguments\":{",
                                           "null"};
  std::mt19937 random(7);
  for (int round = 0; round < 4000; ++round) {
    std::string text;
    for (size_t i = random() % 24; i > 0; --i) text += pieces[random() % pieces.size()];
    for (const ToolStyle style : {ToolStyle::kHermes, ToolStyle::kLlama3, ToolStyle::kNone}) {
      const auto whole = parse(syntax(style), text, 1000);
      EXPECT_EQ(parse(syntax(style), text, 1), whole) << text;
      size_t bytes = 0;
      for (const AnswerDelta& delta : whole) bytes += delta.text.size();
      EXPECT_LE(bytes, text.size() + 64) << text;
    }
  }
}

TEST(ToolCallParser, FollowsTheTemplatesStyle) {
  EXPECT_EQ(tool_style("{{ messages }}"), ToolStyle::kNone);
  EXPECT_EQ(tool_style("{% if tools %}<tool_call>{% endif %}"), ToolStyle::kHermes);
  EXPECT_EQ(tool_style("{% if tools %}<|python_tag|>{% endif %}"), ToolStyle::kLlama3);
}

}  // namespace
}  // namespace caldera::server
