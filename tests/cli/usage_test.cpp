// Every failure is one line and the exit code of its kind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/fake/models.hpp"
#include "cli/process.hpp"

namespace caldera::test {
namespace {

using ::testing::HasSubstr;

const std::string kProgram = CALDERA_PROGRAM;

void expect_failure(const Result& result, int code, const std::string& part) {
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_EQ(count_lines(result.err), 1U) << result.err;
  EXPECT_THAT(result.err, HasSubstr(part));
  EXPECT_EQ(result.out, "");
}

TEST(Usage, CommandLinesThatAreWrong) {
  expect_failure(run(kProgram, {}), 2, "no command given; see caldera --help");
  expect_failure(run(kProgram, {"frobnicate"}), 2, "frobnicate");
  expect_failure(run(kProgram, {"run"}), 2, "MODEL is required; see caldera run --help");
  expect_failure(run(kProgram, {"run", "model", "a", "b"}), 2, "see caldera run --help");
  expect_failure(run(kProgram, {"run", "model", "--no-such-option"}), 2, "--no-such-option");
  expect_failure(run(kProgram, {"run", "model", "--seed"}), 2, "--seed");
  expect_failure(run(kProgram, {"help", "nothing"}), 2, "no help on 'nothing'");
  expect_failure(run(kProgram, {"tokenize", "model", "a", "b"}), 2, "quotes");
  expect_failure(run(kProgram, {"tokenize", "model", "1", "--decode", "--ids"}), 2, "--decode");
}

TEST(Usage, OptionsOutOfRangeNameTheirRange) {
  const TemporaryFolder folder;
  const std::string model = fake_model(folder);
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"--temperature", "-1"},
      {"--temperature", "nan"},
      {"--temp", "hot"},
      {"--top-p", "0"},
      {"--top-p", "1.5"},
      {"--top-p", "inf"},
      {"--min-p", "-0.1"},
      {"--min-p", "2"},
      {"--top-k", "-3"},
      {"--context", "0"},
      {"--context", "-1"},
      {"-c", "99999999999"},
      {"--max-tokens", "many"},
      {"-n", "-1"},
      {"--repeat-penalty", "0"},
      {"--memory-limit", "lots"},
      {"--memory-limit", "0"},
      {"--seed", "18446744073709551616"},
      {"--penalty-window", "1.5"},
      {"--presence-penalty", "1e9"},
      {"--frequency-penalty", "nan"},
  };
  for (const auto& [option, value] : wrong) {
    SCOPED_TRACE(option + " " + value);
    const Result result = run(kProgram, {"run", model, "hello", option, value});
    expect_failure(result, 2, "must be a");
    EXPECT_THAT(result.err, HasSubstr("'" + value + "'"));
    EXPECT_THAT(result.err, HasSubstr("--"));
  }
  expect_failure(run(kProgram, {"run", model, "hello", "--stop", ""}), 2, "--stop");
  expect_failure(run(kProgram, {"run", model, "hello", "--raw", "--system", "x"}), 2, "--system");
  expect_failure(run(kProgram, {"run", model}), 2, "the prompt is empty");
}

TEST(Usage, EveryKindOfErrorHasItsCode) {
  const TemporaryFolder folder;
  expect_failure(run(kProgram, {"run", (folder / "absent").string(), "x"}), 3, "absent");
  expect_failure(run(kProgram, {"run", fake_model(folder, "other"), "x"}), 4, "not a fake model");
  expect_failure(run(kProgram, {"run", fake_model(folder, "fake device"), "x"}), 6, "lost");
  expect_failure(run(kProgram, {"run", fake_model(folder, "fake memory"), "x"}), 7,
                 "memory was refused: ask for less");
  expect_failure(run(kProgram, {"run", fake_model(folder, "fake bad_alloc"), "x"}), 1, "out of host memory");
  expect_failure(run(kProgram, {"run", fake_model(folder, "fake exception"), "x"}), 1,
                 "internal error: unforeseen");
  const std::string model = fake_model(folder);
  expect_failure(run(kProgram, {"run", model,
                                "a\xff"
                                "b"}),
                 9, "byte 0xff at offset 1");
  expect_failure(run(kProgram, {"run", model, "x", "--system", "\xc3"}), 9, "system message");
  expect_failure(run(kProgram, {"run", model, "-q", "raise"}), 9, "raised");
  expect_failure(run(kProgram, {"run", model, "-q", std::string(100, 'x'), "-c", "50"}), 8,
                 "68 more than the context of 50");
  expect_failure(run(kProgram, {"run", model, "-f", (folder / "absent").string()}), 3, "absent");
  expect_failure(run(kProgram, {"run", model, "-f", folder.string()}), 3, "directory");
  expect_failure(run(kProgram, {"run", model, "-f", "/dev/zero"}), 9, "longer than 64 MiB");
}

TEST(Usage, ErrorsAsJson) {
  const TemporaryFolder folder;
  const auto error_of = [](const Result& result) {
    EXPECT_EQ(result.err, "");
    const auto error = nlohmann::json::parse(result.out).at("error");
    EXPECT_EQ(error.at("exit_code"), result.code);
    EXPECT_TRUE(error.at("message").is_string());
    return error.at("kind").get<std::string>();
  };
  EXPECT_EQ(error_of(run(kProgram, {"run", "--json", (folder / "absent").string(), "x"})), "file");
  EXPECT_EQ(error_of(run(kProgram, {"run", "--json"})), "usage");
  EXPECT_EQ(error_of(run(kProgram, {"run", fake_model(folder), "--json", "\xff"})), "input");
  EXPECT_EQ(error_of(run(kProgram, {"run", fake_model(folder, "fake memory"), "--json", "x"})), "memory");
  EXPECT_EQ(error_of(run(kProgram, {"inspect", "--json", folder.string()})), "file");
  EXPECT_EQ(
      error_of(run(kProgram, {"devices", "--json"}, {.environment = {{"CALDERA_FAKE_NO_DRIVER", "1"}}})),
      "device");
}

TEST(Usage, HelpForEverything) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"--help"},
                                                                                     {"help"},
                                                                                     {"run", "--help"},
                                                                                     {"devices", "-h"},
                                                                                     {"inspect", "--help"},
                                                                                     {"tokenize", "--help"},
                                                                                     {"version", "--help"},
                                                                                     {"help", "--help"},
                                                                                     {"help", "run"},
                                                                                     {"help", "tokenize"}}) {
    const Result result = run(kProgram, words);
    EXPECT_EQ(result.code, 0);
    EXPECT_EQ(result.err, "");
    EXPECT_THAT(result.out, HasSubstr("Usage: caldera"));
  }
  EXPECT_THAT(run(kProgram, {"help", "run"}).out, HasSubstr("--memory-limit"));
  EXPECT_THAT(run(kProgram, {"help", "exit-codes"}).out, HasSubstr("130  interrupted"));
  EXPECT_THAT(run(kProgram, {"version"}).out, ::testing::StartsWith("caldera "));
  EXPECT_EQ(run(kProgram, {"--version"}).out, run(kProgram, {"version"}).out);
}

TEST(Usage, FullDiskIsAnError) {
  const Result result = run("/bin/sh", {"-c", kProgram + " help exit-codes > /dev/full"});
  expect_failure(result, 3, "No space left on device");
}

TEST(Usage, Devices) {
  const Result plain = run(kProgram, {"devices"});
  EXPECT_EQ(plain.code, 0);
  EXPECT_THAT(plain.out, HasSubstr("* 0: Fake\\x1b Device"));
  EXPECT_THAT(plain.out, HasSubstr("chosen: the only one"));
  EXPECT_THAT(plain.out, HasSubstr("cooperative matrix: not built"));
  const auto json = nlohmann::json::parse(run(kProgram, {"devices", "--json"}).out);
  EXPECT_EQ(json.at("devices").at(0).at("heaps").at(0).at("budget"), 1 << 30);
  EXPECT_TRUE(json.at("devices").at(0).at("heaps").at(0).at("used").is_null());
  expect_failure(run(kProgram, {"devices"}, {.environment = {{"CALDERA_FAKE_NO_DRIVER", "1"}}}), 6,
                 "mesa-vulkan-drivers");
  expect_failure(run(kProgram, {"devices", "--device", "other"}), 6, "other");
}

}  // namespace
}  // namespace caldera::test
