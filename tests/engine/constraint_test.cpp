// Answers of real models that are held to a format.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "engine/models.hpp"
#include "text/constraint.hpp"

namespace caldera::test {
namespace {

using Kind = AnswerFormat::Kind;

class Constrained : public ::testing::Test {
 protected:
  void SetUp() override {
    // The library is optional to users. `script/bootstrap test`, with which script/test begins, builds it.
    if (!text::ConstraintFactory::available()) GTEST_SKIP() << "script/fetch-llguidance was not run";
  }
  static std::vector<Token> question(const Model& model, const std::string& text) {
    return model.tokenize(model.apply_chat_template(std::vector<Message>{{"user", text}}), false, true);
  }
};

TEST_F(Constrained, AnswersFitTheirSchema) {
  const auto& model = shared_smollm2();
  const AnswerFormat format{Kind::kJsonSchema, R"({"type": "object", "properties": {
    "city": {"type": "string", "maxLength": 6}, "country": {"enum": ["Italy", "France"]},
    "age": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city", "country", "age"], "additionalProperties": false})"};
  Session session(model);
  const std::vector<Token> prompt = question(*model, "Describe Rome as JSON.");
  for (const float temperature : {0.F, 3.F}) {
    session.assign(prompt);
    GenerateOptions options;
    options.sampling = {.temperature = temperature, .top_k = 0, .top_p = 1, .min_p = 0, .seed = 5};
    options.max_tokens = 100;
    options.constraint = model->constrain(format);
    const Generation answer = session.generate(options);
    EXPECT_EQ(answer.reason, StopReason::kEnd) << answer.text;
    const auto value = nlohmann::json::parse(answer.text, nullptr, false);
    ASSERT_TRUE(value.is_object()) << answer.text;
    EXPECT_TRUE(value.at("city").is_string()) << answer.text;
    EXPECT_TRUE(value.at("country") == "Italy" || value.at("country") == "France") << answer.text;
    EXPECT_TRUE(value.at("age") >= 1 && value.at("age") <= 9) << answer.text;
  }
  // What was held before no longer is.
  session.assign(prompt);
  EXPECT_NE(session.generate(greedy(3)).text.substr(0, 1), "{");
  expect_valid(*model);
}

TEST_F(Constrained, OneOfSeveralSideBySide) {
  const auto model = load(data("tiny_llama3.gguf"), {.context = 128, .sequences = 2});
  const std::vector<Token> prompt = model->tokenize("hello");
  Session free(model), held(model);
  free.append(prompt);
  const Generation alone = free.generate(greedy(12));
  free.assign(prompt);
  held.append(prompt);
  std::vector<GenerateRequest> requests(2);
  requests[0] = {&free, greedy(12)};
  requests[1] = {&held, greedy(40)};
  requests[1].options.ignore_end = false;
  requests[1].options.constraint = model->constrain({Kind::kRegex, "[a-f]{3}-[0-9]{4,5}"});
  const std::vector<Generation> answers = generate(requests);
  EXPECT_EQ(answers[0].tokens, alone.tokens);
  EXPECT_TRUE(std::regex_match(answers[1].text, std::regex("[a-f]{3}-[0-9]{4,5}"))) << answers[1].text;
  EXPECT_EQ(answers[1].reason, StopReason::kEnd);
  expect_valid(*model);
}

}  // namespace
}  // namespace caldera::test
