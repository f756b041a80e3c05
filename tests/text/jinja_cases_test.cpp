// Small templates against what Jinja2 made of them (tests/oracle/make_template_goldens.py).
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "caldera/error.hpp"
#include "text/chat_template.hpp"

namespace caldera::text {
namespace {

nlohmann::ordered_json read(const char* name) {
  std::ifstream file(std::string(CALDERA_TEST_DATA) + "/template/" + name);
  return nlohmann::ordered_json::parse(file);
}

TEST(JinjaCases, RenderAsJinja2Does) {
  const auto goldens = read("cases.json");
  ChatInput input;
  input.extra = goldens["variables"];
  ASSERT_GT(goldens["cases"].size(), 250u);
  for (const auto& golden : goldens["cases"]) {
    const auto source = golden["template"].get<std::string>();
    SCOPED_TRACE(source);
    const auto expected = golden.value("expected", std::string());
    const auto kind = golden.value("error", std::string("none"));
    try {
      EXPECT_EQ(ChatTemplate(source).render(input), expected);
      EXPECT_EQ(kind, "none") << golden.value("message", std::string());
    } catch (const Error& error) {
      EXPECT_NE(kind, "none") << error.what();
      EXPECT_EQ(error.kind(), kind == "syntax" ? ErrorKind::kUnsupported : ErrorKind::kInput) << error.what();
      const std::string what = error.what();
      EXPECT_NE(what.find("line "), std::string::npos) << what;
      if (kind == "raised") {
        EXPECT_NE(what.find(golden["message"].get<std::string>()), std::string::npos) << what;
      }
    }
  }
}

}  // namespace
}  // namespace caldera::text
