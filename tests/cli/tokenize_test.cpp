#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/process.hpp"

namespace caldera::test {
namespace {

using ::testing::HasSubstr;

const std::string kProgram = CALDERA_PROGRAM;
const std::string kModel = CALDERA_TEST_DATA "/model/tiny_llama3.gguf";

Result tokenize(std::vector<std::string> arguments, const std::string& input = {}) {
  arguments.insert(arguments.begin(), {"tokenize", kModel});
  return run(kProgram, arguments, {.input = input});
}

TEST(Tokenize, ThereAndBack) {
  const std::string text = "Hello, żółw 🐢!\n\ttwo  lines";
  const Result ids = tokenize({"--ids", "--no-special", text});
  EXPECT_EQ(ids.code, 0) << ids.err;
  EXPECT_EQ(count_lines(ids.out), 1U);
  EXPECT_EQ(tokenize({"--decode"}, ids.out).out, text + "\n");
  EXPECT_EQ(tokenize({"--ids", "--no-special"}, text + "\n").out, ids.out) << "one line end is the pipe's";
}

TEST(Tokenize, OneTokenALineAndTheCount) {
  const Result result = tokenize({"--no-special", "a\nb"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("  'a"));
  EXPECT_THAT(result.out, HasSubstr("\\n"));
  EXPECT_THAT(result.out, HasSubstr(" tokens\n"));
}

TEST(Tokenize, Json) {
  const auto json = nlohmann::json::parse(tokenize({"--json", "🐢"}).out);
  EXPECT_EQ(json.at("count"), json.at("tokens").size());
  const auto back = nlohmann::json::parse(tokenize({"--json", "--decode", "1", "2,3"}).out);
  EXPECT_EQ(back.at("ids"), nlohmann::json({1, 2, 3}));
}

TEST(Tokenize, BadInput) {
  const auto expect = [](const Result& result, int code, const std::string& part) {
    EXPECT_EQ(result.code, code);
    EXPECT_EQ(count_lines(result.err), 1U);
    EXPECT_THAT(result.err, HasSubstr(part));
    EXPECT_EQ(result.out, "");
  };
  expect(tokenize({"a\xff"}), 9, "offset 1");
  expect(tokenize({}, "ab\xc3"), 9, "offset 2");
  expect(tokenize({"--decode", "99999999"}), 2, "token id");
  expect(tokenize({"--decode", "-1"}), 2, "-1");
  expect(tokenize({"--decode", "x"}), 2, "'x'");
  expect(run(kProgram, {"tokenize", "/absent", "x"}), 3, "/absent");
  EXPECT_EQ(tokenize({"--no-special", "--ids"}, "").out, "\n");
}

}  // namespace
}  // namespace caldera::test
