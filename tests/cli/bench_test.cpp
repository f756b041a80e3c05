// The bench command: what it asks for, how it prints, how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/process.hpp"
#include "gguf/temporary_folder.hpp"

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
  EXPECT_EQ(
      result.out,
      "model: model, 134.5 M parameters, Q4_1, 94 MiB in memory\n"
      "device: Fake\\x1b Device (cpu, fake 1.0)\n"
      "read bandwidth: 10.0 GB/s measured\n"
      "KV memory: f16\n"
      "work: 3 dispatches and 2 barriers per decoded token\n"
      "\n"
      "test       depth  tokens/s  spread  longest ms  GB/step  GB/s  of bandwidth  CPU µs/token  TFLOP/s\n"
      "prompt 64      0   1000.00   ±0.00        62.5                                               0.215\n"
      "decode 16      0     50.00  ±10.00        25.0   0.0900  4.50          45 %          12.5\n"
      "prompt 64   1000   1000.00   ±0.00        62.5                                               0.284\n"
      "decode 16   1000     50.00  ±10.00        25.0   0.0910  4.55          46 %          12.5\n");
}

TEST(Bench, PrintsMarkdown) {
  const Result result =
      bench({"--synthetic", "smollm2-135m:q4_1", "-p", "0", "-n", "16", "--format", "markdown"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("- model: smollm2-135m:q4_1 (random weights), 134.5 M parameters"));
  EXPECT_THAT(result.out,
              HasSubstr("| test | depth | tokens/s | spread | longest ms | GB/step | GB/s | of bandwidth | "
                        "CPU µs/token |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n"));
}

TEST(Bench, SequencesTogetherGetColumns) {
  const Result result = bench({"model", "-p", "0", "-n", "16", "-d", "1000", "-r", "3", "-s", "4,1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(
      result.out,
      HasSubstr("test       depth  sequences  tokens/s   each  spread  longest ms  GB/step  GB/s  of "
                "bandwidth  CPU µs/token\n"
                "decode 16   1000          4    200.00  50.00  ±40.00        25.0   0.0940  4.70      "
                "    47 %          12.5\n"
                "decode 16   1000          1     50.00  50.00  ±10.00        25.0   0.0910  4.55      "
                "    46 %          12.5\n"));
  const json test =
      json::parse(bench({"model", "-n", "16", "-s", "4", "-r", "3", "--json"}).out).at("tests").at(1);
  EXPECT_EQ(test.at("sequences"), 4);
  EXPECT_EQ(test.at("tokens_per_second"), 200.0);
  EXPECT_EQ(test.at("tokens_per_second_each"), 50.0);
  EXPECT_EQ(test.at("cpu_microseconds_per_token"), 12.5);
  EXPECT_EQ(test.at("longest_submission_milliseconds"), 25.0);
}

TEST(Bench, PromptsBesideMatrixUnits) {
  // The double has matrix units with this limit.
  const Result result = bench({"model", "-p", "64", "-n", "0", "--memory-limit", "2"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("matrix units: 0.500 TFLOP/s measured (f16 into f32)\n"));
  EXPECT_THAT(result.out, HasSubstr("  TFLOP/s  of matrix units\n"));
  EXPECT_THAT(result.out, HasSubstr("    0.215             43 %\n"));
  const json object = json::parse(bench({"model", "-p", "64", "--memory-limit", "2", "--json"}).out);
  EXPECT_EQ(object.at("matrix_teraflop_per_second"), 0.5);
  const json& prompt = object.at("tests").at(0);
  EXPECT_EQ(prompt.at("flop"), 2.0 * (64 * 106e6 + 28e6) + 69120.0 * 64 * 65 / 2);
  EXPECT_NEAR(prompt.at("teraflop_per_second").get<double>(), 0.2151, 1e-4);
  EXPECT_NEAR(prompt.at("share_of_matrix_units").get<double>(), 0.4302, 1e-4);
  EXPECT_FALSE(object.at("tests").at(1).contains("flop"));
  const json none = json::parse(bench({"model", "-p", "64", "--json"}).out);
  EXPECT_TRUE(none.at("matrix_teraflop_per_second").is_null());
  EXPECT_TRUE(none.at("tests").at(0).at("share_of_matrix_units").is_null());
}

TEST(Bench, ShowsAProfile) {
  const Result result = bench({"model", "-p", "0", "-n", "16", "-r", "3", "--profile"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out,
              HasSubstr("\nprofile of decode 16 at depth 0: the mean of 16 steps, 3 dispatches and 2 "
                        "barriers each; without timestamps 20000.0 µs, with them 20000.0 µs\n\n"
                        "operation          dispatches       µs    share  µs each    MB  GB/s\n"
                        "matvec_Q4_1 64x32           2  15000.0   75.0 %   7500.0  60.0  4.00\n"
                        "norm                        1   3000.0   15.0 %   3000.0\n"
                        "gaps                        2   2000.0   10.0 %   1000.0\n"
                        "all                         3  20000.0  100.0 %\n"));
  const Result marked = bench({"model", "-p", "0", "-n", "16", "--profile", "--format", "markdown"});
  EXPECT_THAT(marked.out, HasSubstr("| operation | dispatches | µs | share | µs each | MB | GB/s |\n"
                                    "|---|--:|--:|--:|--:|--:|--:|\n"
                                    "| matvec_Q4_1 64x32 | 2 | 15000.0 | 75.0 % | 7500.0 | 60.0 | 4.00 |\n"));
  const json profile = json::parse(bench({"model", "-p", "0", "-r", "3", "--profile", "--json"}).out)
                           .at("tests")
                           .at(0)
                           .at("profile");
  EXPECT_EQ(profile.at("runs"), 16);
  EXPECT_EQ(profile.at("dispatches"), 3);
  EXPECT_EQ(profile.at("barriers"), 2);
  EXPECT_NEAR(profile.at("microseconds_without_timestamps").get<double>(), 20000, 1e-6);
  EXPECT_EQ(profile.at("operations").at(0).at("name"), "matvec_Q4_1 64x32");
  EXPECT_EQ(profile.at("operations").at(0).at("bytes"), 60000000);
  EXPECT_NEAR(profile.at("gaps").at("microseconds").get<double>(), 2000, 1e-6);
}

/// The numbers that follow `before` in `text`.
std::string between(const std::string& text, const std::string& before, const std::string& after) {
  const size_t start = text.find(before);
  if (start == std::string::npos) return "";
  const size_t begin = start + before.size();
  return text.substr(begin, text.find(after, begin) - begin);
}

TEST(Bench, Plots) {
  const gguf::TemporaryFolder folder;
  const std::string path = (folder.path() / "speed.svg").string();
  const Result result =
      bench({"<model>&\x01", "-n", "16", "-d", "0,8192", "-s", "1,2", "-r", "3", "--plot", path});
  EXPECT_EQ(result.code, 0) << result.err;
  std::ifstream file(path);
  const std::string svg((std::istreambuf_iterator<char>(file)), {});
  EXPECT_TRUE(svg.starts_with("<svg xmlns="));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_THAT(svg, HasSubstr("Decoding &lt;model&gt;&amp;\\x01, Q4_1</text>"));
  EXPECT_THAT(svg, HasSubstr("Fake\\x1b Device (fake 1.0), 20"));
  EXPECT_THAT(svg, HasSubstr(">tokens per second</text>"));
  EXPECT_THAT(svg, HasSubstr(">context before the test (tokens)</text>"));
  EXPECT_THAT(svg, HasSubstr("16 tokens, 2 sequences together, median"));
  EXPECT_THAT(svg, HasSubstr("at 10 GB/s, measured"));
  EXPECT_THAT(svg, HasSubstr("16 tokens at depth 8192: 50.00 tokens/s"));
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme: dark"));
  // One sequence is limited to 10 GB/s / 90 MB = 111 tokens/s at depth 0, two to 222 of 250 (the axis).
  const auto height = [&](const std::string& colour) {
    const std::string start = between(svg, "class=\"limit\" stroke=\"" + colour + "\" d=\"M80.0 ", " ");
    return start.empty() ? 0.0 : (400 - std::stod(start)) / (400 - 64);
  };
  EXPECT_NEAR(height("#0072b2"), 111.1 / 250, 0.01);
  EXPECT_NEAR(height("#d55e00"), 222.2 / 250, 0.01);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);

  // Without a bandwidth there is no limit to draw; a file that is there is replaced.
  EXPECT_EQ(bench({"model", "-n", "4", "--memory-limit", "1", "--plot", path}).code, 0);
  std::ifstream again(path);
  const std::string plain((std::istreambuf_iterator<char>(again)), {});
  EXPECT_THAT(plain, ::testing::Not(HasSubstr("class=\"limit\"")));
}

TEST(Bench, RefusesPlotsBeforeItMeasures) {
  const gguf::TemporaryFolder folder;
  const std::string missing = (folder.path() / "missing" / "speed.svg").string();
  expect_failure(bench({"slow", "--plot", missing}, {.limit = Seconds(2)}), 3, "cannot be written");
  expect_failure(bench({"slow", "--plot", "speed.png"}, {.limit = Seconds(2)}), 2, "ends in .svg");
  expect_failure(bench({"slow", "--plot", "a.svg", "-n", "0"}, {.limit = Seconds(2)}), 2, "nothing to plot");
  std::filesystem::create_directory(folder.path() / "folder.svg");
  expect_failure(bench({"slow", "--plot", (folder.path() / "folder.svg").string()}, {.limit = Seconds(2)}), 3,
                 "it is a folder");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(Bench, TakesAFormatOfKvMemory) {
  const auto kv_of = [](std::vector<std::string> options) {
    options.insert(options.begin(), {"model", "-n", "4", "--json"});
    const json model = json::parse(bench(options).out).at("model");
    return model.at("kv_keys").get<std::string>() + " " + model.at("kv_values").get<std::string>();
  };
  EXPECT_EQ(kv_of({}), "f16 f16");
  EXPECT_EQ(kv_of({"--kv", "q8_0"}), "q8_0 q8_0");
  EXPECT_EQ(kv_of({"--kv-values", "q4_0", "--kv", "q8_0"}), "q8_0 q4_0");
  EXPECT_EQ(kv_of({"--kv-keys", "q8_0"}), "q8_0 f16");
  EXPECT_THAT(bench({"model", "-n", "4", "--kv", "q8_0", "--kv-values", "q4_0"}).out,
              HasSubstr("KV memory: q8_0/q4_0\n"));
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
  EXPECT_EQ(decode.at("bytes_per_step"), 90000000);
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
  expect_failure(bench({"model", "-s", "x"}), 2, "--sequences");
  expect_failure(bench({"model", "--kv", "q9_0"}), 2, "--kv");
  expect_failure(bench({"model", "--kv-keys", "q8"}), 2, "--kv-keys");
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
