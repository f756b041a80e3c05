// The bench command: what it asks for, how it prints, how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/process.hpp"

namespace caldera::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const std::string kProgram = CALDERA_PROGRAM;

Result bench(std::vector<std::string> arguments, const Launch& launch = {}) {
  arguments.insert(arguments.begin(), "bench");
  return run(kProgram, arguments, launch);
}

void expect_failure(const Result& result, int code, const std::string& part) {
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_EQ(count_lines(result.err), 1U) << result.err;
  EXPECT_THAT(result.err, HasSubstr(part));
  EXPECT_EQ(result.out, "");
}

TEST(Bench, PrintsATable) {
  const Result result = bench({"model", "-p", "64", "-n", "16", "-d", "0,1000", "-r", "3"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out,
            "model: model, 134.5 M parameters, Q4_1, 94 MiB in memory\n"
            "device: Fake\\x1b Device (cpu, fake 1.0)\n"
            "read bandwidth: 10.0 GB/s measured\n"
            "work: 3 dispatches and 2 barriers per decoded token\n"
            "\n"
            "test       depth  tokens/s  spread  GB/token  GB/s  of bandwidth\n"
            "prompt 64      0   1000.00   ±0.00\n"
            "decode 16      0     50.00  ±10.00    0.0900  4.50          45 %\n"
            "prompt 64   1000   1000.00   ±0.00\n"
            "decode 16   1000     50.00  ±10.00    0.0910  4.55          46 %\n");
}

TEST(Bench, PrintsMarkdown) {
  const Result result =
      bench({"--synthetic", "smollm2-135m:q4_1", "-p", "0", "-n", "16", "--format", "markdown"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("- model: smollm2-135m:q4_1 (random weights), 134.5 M parameters"));
  EXPECT_THAT(result.out, HasSubstr("| test | depth | tokens/s | spread | GB/token | GB/s | of bandwidth |\n"
                                    "|---|--:|--:|--:|--:|--:|--:|\n"));
}

TEST(Bench, JsonHoldsEverything) {
  const Result result = bench({"model", "-p", "8", "-n", "4", "-r", "2", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  const json object = json::parse(result.out);
  EXPECT_EQ(object.at("model").at("synthetic"), false);
  EXPECT_EQ(object.at("read_gigabytes_per_second"), 10.0);
  EXPECT_TRUE(object.at("far_read_gigabytes_per_second").is_null());
  ASSERT_EQ(object.at("tests").size(), 2U);
  const json& decode = object.at("tests").at(1);
  EXPECT_EQ(decode.at("kind"), "decode");
  EXPECT_EQ(decode.at("seconds").size(), 2U);
  EXPECT_EQ(decode.at("bytes_per_token"), 90000000);
  EXPECT_NEAR(decode.at("limit_tokens_per_second").get<double>(), 111.1, 0.1);
  EXPECT_EQ(json::parse(bench({"model", "-n", "4", "--format", "json"}).out).at("tests").size(), 2U);
}

TEST(Bench, SaysWhereTheBandwidthIsNotKnown) {
  const Result result = bench({"model", "-n", "4", "--memory-limit", "1"});
  EXPECT_THAT(result.out, HasSubstr("read bandwidth: not measured\n"));
  const json object = json::parse(bench({"model", "-n", "4", "--memory-limit", "1", "--json"}).out);
  EXPECT_TRUE(object.at("tests").at(1).at("share_of_limit").is_null());
}

TEST(Bench, OptionsThatAreWrong) {
  expect_failure(bench({}), 2, "--synthetic SHAPE:FORMAT");
  expect_failure(bench({"model", "--synthetic", "smollm2-135m:q4_1"}), 2, "one thing to measure");
  expect_failure(bench({"--synthetic", "no-such-model:q4_1"}), 2, "no-such-model");
  expect_failure(bench({"model", "-p", "12,"}), 2, "--prompt must be a whole number");
  expect_failure(bench({"model", "-n", "-1"}), 2, "--decode");
  expect_failure(bench({"model", "-d", "a"}), 2, "--depth");
  expect_failure(bench({"model", "-d", "99999999999"}), 2, "--depth");
  expect_failure(bench({"model", "-r", "0"}), 2, "--repeats");
  expect_failure(bench({"model", "--kv", "q8_0"}), 2, "--kv");
  expect_failure(bench({"model", "--format", "svg"}), 2, "--format");
  std::string many = "1";
  for (int i = 0; i < 100; ++i) many += ",1";
  expect_failure(bench({"model", "-p", many}), 2, "more than 64");
}

TEST(Bench, CtrlCEndsIt) {
  const Result result = bench({"slow"}, {.interrupt_after = 0.5, .limit = Seconds(4)});
  EXPECT_EQ(result.code, 130);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "caldera: interrupted\n");
}

TEST(Bench, ShowsHowFarItIsAtATerminal) {
  Terminal terminal(kProgram, {"bench", "slow"});
  EXPECT_TRUE(terminal.expect("bench ["));
  EXPECT_TRUE(terminal.expect("reading"));
  terminal.send("\x03");
  EXPECT_EQ(terminal.wait(Seconds(4)), 130);
}

}  // namespace
}  // namespace caldera::test
