// Chat templates of models against what Jinja2 made of them (tests/oracle/make_template_goldens.py), and the
// contract of text/chat_template.hpp.
#include "text/chat_template.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <ctime>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "caldera/error.hpp"

namespace caldera::text {
namespace {

using Json = nlohmann::ordered_json;

std::string read(const std::string& name) {
  std::ifstream file(std::string(CALDERA_TEST_DATA) + "/template/" + name, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

std::string today(const std::string& format) {
  const std::time_t now = std::time(nullptr);
  std::array<char, 200> buffer{};
  std::strftime(buffer.data(), buffer.size(), format.c_str(), std::localtime(&now));
  return buffer.data();
}

// The goldens hold "<format>" where a template printed the date.
std::string with_today(const std::string& expected) {
  static const std::regex kDate("<(%[^<>]*)>");
  std::string out;
  std::smatch match;
  std::string rest = expected;
  while (std::regex_search(rest, match, kDate)) {
    out += match.prefix().str() + today(match[1].str());
    rest = match.suffix().str();
  }
  return out + rest;
}

ChatInput make_input(const Json& conversation, bool prompt) {
  ChatInput input;
  input.bos_token = "<s>";
  input.eos_token = "</s>";
  input.add_generation_prompt = prompt;
  for (const auto& [name, value] : conversation.items()) {
    if (name == "messages") {
      input.messages = value;
    } else if (name == "tools") {
      input.tools = value;
    } else {
      input.extra[name] = value;
    }
  }
  return input;
}

TEST(ChatTemplate, ModelsMatchJinja2ByteForByte) {
  const Json goldens = Json::parse(read("models.json"));
  const Json conversations = Json::parse(read("conversations.json"));
  ASSERT_FALSE(goldens.empty());
  std::map<std::string, ChatTemplate> templates;
  for (const auto& golden : goldens) {
    const auto model = golden["model"].get<std::string>();
    const auto conversation = golden["conversation"].get<std::string>();
    const bool prompt = golden["prompt"].get<bool>();
    SCOPED_TRACE(model + ", " + conversation + (prompt ? ", with" : ", without") + " the generation prompt");
    auto found = templates.find(model);
    if (found == templates.end())
      found = templates.emplace(model, ChatTemplate(read("models/" + model))).first;
    try {
      const std::string rendered = found->second.render(make_input(conversations[conversation], prompt));
      EXPECT_FALSE(golden.contains("error")) << golden["message"];
      EXPECT_EQ(rendered, with_today(golden.value("expected", std::string())));
    } catch (const Error& error) {
      EXPECT_TRUE(golden.contains("error")) << error.what();
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      if (golden.value("error", "") == "raised") {
        EXPECT_THAT(error.what(), testing::HasSubstr(golden["message"].get<std::string>()));
      }
    }
  }
}

TEST(ChatTemplate, SeesTheInput) {
  ChatInput input;
  input.messages = Json::parse(R"([{"role": "user", "content": "hi"}])");
  input.bos_token = "<s>";
  input.extra = Json::parse(R"({"enable_thinking": false, "bos": 3})");
  const ChatTemplate chat(
      "{{ bos_token }}{{ messages[0].content }} {{ tools }} {{ enable_thinking }} {{ bos }} {{ eos_token }}");
  EXPECT_EQ(chat.render(input), "<s>hi None False 3 ");
  EXPECT_EQ(chat.render(input), "<s>hi None False 3 ") << "rendering must leave no trace";
}

TEST(ChatTemplate, CanBeMoved) {
  ChatTemplate chat("{{ add_generation_prompt }}");
  ChatTemplate moved = std::move(chat);
  ChatTemplate other("x");
  other = std::move(moved);
  EXPECT_EQ(other.render({}), "True");
}

TEST(ChatTemplate, RaiseExceptionBecomesAnInputErrorWithTheWordsAndTheLine) {
  const ChatTemplate chat("{% if true %}\n{{ raise_exception('Roles must alternate') }}{% endif %}");
  try {
    chat.render({});
    FAIL() << "did not raise";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    EXPECT_THAT(error.what(), testing::HasSubstr("Roles must alternate"));
    EXPECT_THAT(error.what(), testing::HasSubstr("line 2"));
  }
}

TEST(ChatTemplate, WhatNeedsOtherTemplatesIsUnsupported) {
  for (const char* source :
       {"{% include 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% extends 'x' %}",
        "{% block x %}{% endblock %}", "{% for x in [] recursive %}{% endfor %}"}) {
    try {
      ChatTemplate{source};
      FAIL() << source;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUnsupported) << source;
      EXPECT_THAT(error.what(), testing::HasSubstr("line 1"));
    }
  }
}

TEST(ChatTemplate, StrftimeNowUsesLocalTime) {
  EXPECT_EQ(ChatTemplate("{{ strftime_now('%Y-%m-%d') }}").render({}), today("%Y-%m-%d"));
  EXPECT_EQ(ChatTemplate("{{ strftime_now('') }}").render({}), "");
}

}  // namespace
}  // namespace caldera::text
