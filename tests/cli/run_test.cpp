// One-shot runs: where the prompt comes from, where things are written, how they end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/fake/models.hpp"
#include "cli/process.hpp"

namespace caldera::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kProgram = CALDERA_PROGRAM;

class Run : public ::testing::Test {
 protected:
  Result ask(std::vector<std::string> arguments, const Launch& launch = {}) {
    arguments.insert(arguments.begin(), {"run", model_, "--temp", "0"});
    return run(kProgram, arguments, launch);
  }

  TemporaryFolder folder_;
  std::string model_ = fake_model(folder_);
};

TEST_F(Run, NothingButTheAnswerOnStandardOutput) {
  const Result result = ask({"hello"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "You said: hello\n");
  EXPECT_EQ(result.err,
            "device: Fake\\x1b Device (cpu, fake 1.0)\n"
            "memory: weights 94 MiB, KV up to 4 MiB for 4096 tokens\n"
            "prompt: 23 tokens, 46.0 tokens/s; decode: 15 tokens, 93.3 tokens/s\n");
}

TEST_F(Run, QuietAndVerbose) {
  EXPECT_EQ(ask({"hello", "--quiet"}).err, "");
  EXPECT_EQ(count_lines(ask({"hello", "--no-stats"}).err), 2U);
  const Result verbose = ask({"hello", "--verbose", "--seed", "7"});
  EXPECT_THAT(verbose.err, HasSubstr("3 dispatches and 2 barriers per token"));
  EXPECT_THAT(verbose.err, HasSubstr("seed: 7"));
}

TEST_F(Run, PromptFromAPipeAFileAndBoth) {
  EXPECT_EQ(ask({}, {.input = "from a pipe\n"}).out, "You said: from a pipe\n");
  const auto file = folder_ / "prompt";
  write_file(file, "from a file\r\n");
  EXPECT_EQ(ask({"-f", file.string()}).out, "You said: from a file\n");
  EXPECT_EQ(ask({"-f", "-"}, {.input = "dash"}).out, "You said: dash\n");
  const Result both = ask({"argument", "--json"}, {.input = "pipe\n"});
  // "user:\nargument\n\npipe\nassistant:\n"
  EXPECT_EQ(nlohmann::json::parse(both.out).at("timings").at("prompt_tokens"), 32);
  EXPECT_EQ(ask({"--raw", "as it is\nlast"}).out, "You said: last\n");
  EXPECT_EQ(ask({"--", "--dashes"}).out, "You said: --dashes\n");
  EXPECT_EQ(ask({}, {.input = std::string("nul\0byte", 8)}).out, std::string("You said: nul\0byte\n", 19));
}

TEST_F(Run, JsonHoldsEverything) {
  const Result result = ask({"héllo", "--json", "--seed", "5", "-n", "4"});
  EXPECT_EQ(result.code, 0);
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json.at("text"), "You ");
  EXPECT_EQ(json.at("tokens").size(), 4U);
  EXPECT_EQ(json.at("reason"), "max_tokens");
  EXPECT_EQ(json.at("seed"), 5);
  EXPECT_EQ(json.at("model").at("name"), "fake");
  EXPECT_EQ(json.at("device").at("type"), "cpu");
  EXPECT_EQ(json.at("memory").at("weights"), 94 << 20);
}

TEST_F(Run, AnswersAreHeldToAFormat) {
  EXPECT_EQ(ask({"hello", "--regex", "[0-9]+"}).out, "[0-9]+\n");
  EXPECT_EQ(ask({"hello", "--json-schema", R"( {"type":"null"})"}).out, " {\"type\":\"null\"}\n");
  const auto file = folder_ / "schema.json";
  write_file(file, R"({"type":"integer"})");
  EXPECT_EQ(ask({"hello", "--json-schema", file.string()}).out, "{\"type\":\"integer\"}\n");
}

TEST_F(Run, FormatsThatCannotBe) {
  EXPECT_EQ(ask({"hello", "--json-schema", "no-such-file"}).code, 3);
  EXPECT_EQ(ask({"hello", "--json-schema", "{}", "--regex", "x"}).code, 2);
  const Result refused = ask({"hello", "--json-schema", "{refused}"});
  EXPECT_EQ(refused.code, 9);
  EXPECT_THAT(refused.err, HasSubstr("the JSON schema at '#'"));
}

TEST_F(Run, OptionsGivenTwice) {
  EXPECT_EQ(nlohmann::json::parse(ask({"hello", "--json", "--seed", "5", "--seed", "6"}).out).at("seed"), 6);
  for (const char* prompt : {"xxa", "xxb"}) {
    const Result result = ask({"--json", "--stop", "xa", "--stop", "xb", prompt});
    EXPECT_EQ(nlohmann::json::parse(result.out).at("reason"), "stop") << result.out;
  }
}

TEST_F(Run, TheSameSeedGivesTheSameText) {
  const auto text = [&](const char* seed) {
    return run(kProgram, {"run", model_, "hello", "--seed", seed}).out;
  };
  EXPECT_EQ(text("1"), text("1"));
  EXPECT_NE(text("1"), text("2"));
}

TEST_F(Run, ContextThatFillsEndsTheAnswer) {
  const Result result = ask({"hello", "--ignore-end", "-c", "40"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out.size(), 40U - 23U + 1U);
  EXPECT_THAT(result.err, HasSubstr("context of 40 tokens is full"));
}

TEST_F(Run, AContextBeyondWhatPositionsReachIsWarnedOf) {
  EXPECT_THAT(ask({"hello", "-c", "4096"}).err, Not(HasSubstr("warning")));
  EXPECT_THAT(ask({"hello", "-c", "4097"}).err,
              HasSubstr("positions reach 4096 tokens, and a context of 4097"));
  EXPECT_THAT(ask({"hello", "-c", "4097", "--rope-scaling", "yarn"}).err, Not(HasSubstr("warning")));
  EXPECT_EQ(ask({"hello", "-c", "4097", "-q"}).err, "");
}

TEST_F(Run, APromptThatIsTooLongIsToldByHowMuch) {
  const Result result = ask({std::string(50, 'x'), "-c", "40"});
  EXPECT_EQ(result.code, 8);
  EXPECT_THAT(result.err, HasSubstr("the prompt is 68 tokens, 28 more than the context of 40 holds"));
}

TEST_F(Run, ForgetsTheOldestWhereAskedTo) {
  const Result result = ask({"hello", "--ignore-end", "-c", "40", "--context-end", "shift", "-n", "100"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out.size(), 101U);
  EXPECT_THAT(result.err, HasSubstr("tokens forgotten"));
}

TEST_F(Run, AReaderThatGoesAwayEndsItQuietly) {
  const Result result =
      ask({"hello", "--ignore-end", "-c", "10000000", "--rope-scaling", "yarn"}, {.close_output_after = 100});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(count_lines(result.err), 2U) << result.err;
}

TEST_F(Run, CtrlCStopsTheAnswerAndShowsTheStats) {
  model_ = fake_model(folder_, "fake slow");
  const Result result = ask({"hello", "--ignore-end"}, {.interrupt_at = "You said"});
  EXPECT_EQ(result.code, 130);
  EXPECT_THAT(result.out, ::testing::StartsWith("You said"));
  EXPECT_THAT(result.out, ::testing::EndsWith("\n"));
  EXPECT_THAT(result.err, HasSubstr("decode: "));
}

TEST_F(Run, CtrlCWhileLoadingEndsIt) {
  model_ = fake_model(folder_, "fake slow-load");
  const Result result = ask({"hello"}, {.interrupt_after = 0.5, .limit = Seconds(4)});
  EXPECT_EQ(result.code, 130);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "caldera: interrupted\n");
}

TEST_F(Run, CtrlCWhileThePromptIsAwaitedEndsIt) {
  const Result result =
      ask({}, {.input = "half", .hold_input = true, .interrupt_after = 0.5, .limit = Seconds(5)});
  EXPECT_EQ(result.code, 130);
  EXPECT_EQ(result.err, "caldera: interrupted\n");
}

TEST_F(Run, StandardInputMayBeClosed) {
  const Result result = run("/bin/sh", {"-c", kProgram + " run " + model_ + " hello --temp 0 -q <&-"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "You said: hello\n");
}

TEST_F(Run, LoadingIsShownAtATerminal) {
  Terminal terminal(kProgram, {"run", fake_model(folder_, "fake slow-load"), "hello", "--temp", "0"},
                    {{"TERM", "dumb"}});
  EXPECT_TRUE(terminal.expect("loading ["));
  EXPECT_TRUE(terminal.expect("GB/s"));
  terminal.send("\x03");
  EXPECT_EQ(terminal.wait(), 130);
}

}  // namespace
}  // namespace caldera::test
