// The tune command: what it asks for, how it prints, how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/process.hpp"

namespace caldera::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

Result tune(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "tune");
  return run(CALDERA_PROGRAM, arguments, {});
}

void expect_failure(const Result& result, int code, const std::string& part) {
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_EQ(count_lines(result.err), 1U) << result.err;
  EXPECT_THAT(result.err, HasSubstr(part));
  EXPECT_EQ(result.out, "");
}

TEST(Tune, PrintsATable) {
  const Result result = tune({"--synthetic", "smollm2-135m:q4_1", "-s", "1,8", "--seconds", "4"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(
      result.out,
      "product                                in a step  tried  us before  us now  GB/s  subgroups  rows  "
      "unroll  passes  ahead\n"
      "Q4_K 4096x2048, gate and up, 1 vector         32     21        2.5     2.0  2359          8     2  "
      "     2       1      0\n"
      "Q4_K 4096x2048, 8 vectors                     32     21        2.5     2.0  2359          8     2  "
      "     2       1      0\n");
  EXPECT_EQ(result.err,
            "device: Fake\\x1b Device (fake 1.0)\ntuned in 2.0 s, remembered in /cache/fake.products.json\n");
}

TEST(Tune, PrintsPromptsInATableOfTheirOwn) {
  const Result result = tune({"model", "-p", "512,2048"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(
      result.out,
      HasSubstr("\n\nprompt product               in a batch  tried  us before  us now  TFLOP/s     tile  "
                "a subgroup's  step  buffers  parts  instruction\n"
                "Q4_K 4096x2048, 512 tokens           32     13       50.0    40.0      215  128x128  "
                "       64x64    32        2      1      16x8x16\n"));
  EXPECT_THAT(result.out, HasSubstr("Q4_K 4096x2048, 2048 tokens"));
  const json report = json::parse(tune({"model", "-p", "512", "--json"}).out);
  EXPECT_EQ(report.at("prompts_tunable"), true);
  EXPECT_EQ(report.at("prompt_products").at(0).at("tokens"), 512);
  EXPECT_EQ(report.at("prompt_products").at(0).at("tiles").at("instruction"), json({16, 8, 16}));
  EXPECT_EQ(json::parse(tune({"model", "-p", "0", "--json"}).out).at("prompt_products"), json::array());
  EXPECT_THAT(tune({"model", "--arithmetic", "int8"}).err, HasSubstr("no matrix units"));
}

TEST(Tune, SaysWhereNothingIsToBeTuned) {
  const Result result = tune({"model", "--arithmetic", "f32"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("nothing to tune"));
}

TEST(Tune, PrintsJson) {
  const Result result = tune({"model", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  const json report = json::parse(result.out);
  EXPECT_EQ(report.at("seconds"), 5.0);
  EXPECT_EQ(report.at("file"), "/cache/fake.products.json");
  const json& product = report.at("products").at(0);
  EXPECT_EQ(product.at("format"), "Q4_K");
  EXPECT_EQ(product.at("rows"), 4096);
  EXPECT_EQ(product.at("pairs"), true);
  EXPECT_EQ(product.at("choice").at("subgroups"), 8);
  EXPECT_EQ(product.at("choice").at("passes"), 1);
}

TEST(Tune, Forgets) {
  EXPECT_EQ(tune({"--forget"}).out, "deleted /cache/fake.products.json\n");
  EXPECT_EQ(tune({"--forget", "--device", "1"}).out, "nothing is remembered for this device\n");
  EXPECT_EQ(json::parse(tune({"--forget", "--device", "1", "--json"}).out), json({{"forgot", nullptr}}));
  expect_failure(tune({"model", "--forget"}), 2, "name none");
}

TEST(Tune, RefusesWhatCannotBe) {
  expect_failure(tune({}), 2, "name one model");
  expect_failure(tune({"model", "--synthetic", "smollm2-135m:q4_1"}), 2, "name one model");
  expect_failure(tune({"model", "-s", "9"}), 2, "--sequences");
  expect_failure(tune({"model", "-p", "5000"}), 2, "--prompt");
  expect_failure(tune({"model", "-p", "512,x"}), 2, "--prompt");
  expect_failure(tune({"model", "--seconds", "-1"}), 2, "--seconds");
  expect_failure(tune({"model", "--tune", "perhaps"}), 2, "--tune");
  expect_failure(tune({"missing.gguf"}), 3, "missing.gguf");
}

}  // namespace
}  // namespace caldera::test
