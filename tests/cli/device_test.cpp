// The program on a real device with real models: the tiny ones of tests/data/model, and SmolLM2 where
// script/setup has fetched it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/process.hpp"

namespace caldera::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const std::string kProgram = CALDERA_PROGRAM;
const std::string kTiny = CALDERA_TEST_DATA "/model/tiny_llama3.gguf";

/// SmolLM2-135M-Instruct: CALDERA_TEST_MODEL, or where script/setup puts it. Empty if it is not there.
std::string chat_model() {
  if (const char* given = std::getenv("CALDERA_TEST_MODEL")) return given;
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::filesystem::path folder =
      cache != nullptr ? std::filesystem::path(cache) : std::filesystem::path(home ? home : "") / ".cache";
  const auto path = folder / "caldera/models/SmolLM2-135M-Instruct.Q4_1.gguf";
  return std::filesystem::exists(path) ? path.string() : "";
}

void expect_failure(const Result& result, int code, const std::string& part) {
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_THAT(result.err, HasSubstr(part));
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err.substr(0, result.err.find('\n') + 1).size(), result.err.size())
      << "more than a line: " << result.err;
}

Result complete(std::vector<std::string> arguments, const Launch& launch = {}) {
  arguments.insert(arguments.begin(), {"run", kTiny, "--raw", "-c", "256"});
  return run(kProgram, arguments, launch);
}

TEST(Device, IsListed) {
  const Result plain = run(kProgram, {"devices"});
  ASSERT_EQ(plain.code, 0) << plain.err;
  EXPECT_THAT(plain.out, HasSubstr("* "));
  EXPECT_THAT(plain.out, HasSubstr("heap 0"));
  const json listed = json::parse(run(kProgram, {"devices", "--json"}).out);
  EXPECT_GE(listed.at("devices").size(), 1U);
  EXPECT_TRUE(listed.at("devices").at(0).at("heaps").at(0).at("bytes").is_number());
  expect_failure(run(kProgram, {"devices", "--device", "no such device"}), 6, "no such device");
}

TEST(Device, CompletesTheSameTextForTheSameSeed) {
  const auto text = [](const std::vector<std::string>& options) {
    std::vector<std::string> arguments = {"hello", "-n", "24", "--ignore-end", "-q"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Result result = complete(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    return result.out;
  };
  EXPECT_EQ(text({"--temp", "0"}), text({"--temp", "0", "--seed", "9"})) << "greedy knows no luck";
  EXPECT_EQ(text({"--temp", "1.5", "--top-k", "0", "--top-p", "1", "--min-p", "0", "--seed", "5"}),
            text({"--temp", "1.5", "--top-k", "0", "--top-p", "1", "--min-p", "0", "--seed", "5"}));
  EXPECT_NE(text({"--temp", "1.5", "--top-k", "0", "--top-p", "1", "--min-p", "0", "--seed", "5"}),
            text({"--temp", "1.5", "--top-k", "0", "--top-p", "1", "--min-p", "0", "--seed", "6"}));
}

TEST(Device, JsonAndLinesTellOfTheRun) {
  const Result result = complete({"--json", "-n", "8", "--ignore-end"}, {.input = "a prompt by a pipe\n"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json object = json::parse(result.out);
  EXPECT_EQ(object.at("tokens").size(), 8U);
  EXPECT_EQ(object.at("reason"), "max_tokens");
  EXPECT_GT(object.at("timings").at("prompt_tokens"), 0);
  EXPECT_GT(object.at("memory").at("weights"), 0);
  EXPECT_FALSE(object.at("device").at("name").get<std::string>().empty());
  EXPECT_THAT(result.err, HasSubstr("device: "));
  EXPECT_THAT(result.err, HasSubstr("memory: weights "));
  EXPECT_THAT(result.err, HasSubstr("decode: 8 tokens"));
  EXPECT_THAT(complete({"x", "-n", "1", "--verbose"}).err, HasSubstr("barriers per token"));
}

TEST(Device, FailuresHaveTheirCodeAndOneLine) {
  const TemporaryFolder folder;
  const auto path = folder / "file.gguf";
  expect_failure(run(kProgram, {"run", (folder / "absent").string(), "x"}), 3, "absent");
  expect_failure(run(kProgram, {"run", folder.string(), "x"}), 3, folder.string());
  write_file(path, "G");
  expect_failure(run(kProgram, {"run", path.string(), "x"}), 4, "file.gguf");
  std::string noise(100000, '\0');
  uint32_t state = 1;
  for (char& c : noise) c = static_cast<char>((state = state * 1664525U + 1013904223U) >> 24);
  write_file(path, noise);
  expect_failure(run(kProgram, {"run", path.string(), "x"}), 4, "file.gguf");
  const std::string bytes = read_file(kTiny);
  for (const size_t size :
       {size_t{30}, bytes.size() / 8, bytes.size() / 3, bytes.size() / 2, bytes.size() - 1}) {
    write_file(path, bytes.substr(0, size));
    expect_failure(run(kProgram, {"run", path.string(), "x"}), 4, "file.gguf");
  }
  expect_failure(run(kProgram, {"run", kTiny, "x", "--device", "no such device"}), 6, "no such device");
  expect_failure(run(kProgram, {"run", kTiny, "x", "--device", "99"}), 6, "99");
  expect_failure(complete({"-q", std::string(5000, 'x') + " y z"}), 8, "256");
  expect_failure(complete({"-q", "\xff"}), 9, "offset 0");
  const Result memory = complete({"-q", "x", "--memory-limit", "1K"});
  EXPECT_EQ(memory.code, 7) << memory.err;
  EXPECT_EQ(count_lines(memory.err), 1U) << memory.err;
}

TEST(Device, CtrlCStopsTheAnswer) {
  // More than any device answers in that time.
  const Result result = complete({"hello", "--ignore-end", "-c", "200000"}, {.interrupt_after = 4.0});
  EXPECT_EQ(result.code, 130) << result.err;
}

class ChatModel : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_FALSE(model_.empty()) << "there is no chat model: run script/fetch-model first";
  }

  std::string model_ = chat_model();
  TemporaryFolder folder_;
};

TEST_F(ChatModel, AnswersAQuestion) {
  const Result result = run(kProgram, {"run", model_, "What is the capital of France? One word.", "--temp",
                                       "0", "-n", "12", "-c", "256", "-q"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Paris"));
}

TEST_F(ChatModel, TruncatedAnywhereIsAnErrorOfTheFormat) {
  const auto cut = folder_ / "cut.gguf";
  std::filesystem::copy_file(model_, cut);
  const uint64_t size = std::filesystem::file_size(cut);
  for (const uint64_t length : {size - 1, size / 2, size / 50, uint64_t{1000}}) {
    std::filesystem::resize_file(cut, length);
    expect_failure(run(kProgram, {"run", cut.string(), "x"}), 4, "cut.gguf");
  }
}

TEST_F(ChatModel, TokenizesThereAndBack) {
  const Result ids =
      run(kProgram, {"tokenize", model_, "--ids", "Hello <|im_end|> żółw 🐢", "--parse-special"});
  EXPECT_EQ(ids.code, 0);
  EXPECT_THAT(ids.out, HasSubstr(" 2 "));
  EXPECT_EQ(run(kProgram, {"tokenize", model_, "--decode"}, {.input = ids.out}).out,
            "Hello <|im_end|> żółw 🐢\n");
}

TEST_F(ChatModel, TalksAtATerminal) {
  Terminal terminal(kProgram, {"run", model_, "--temp", "0", "-n", "24", "-c", "512", "--verbose"},
                    {{"TERM", "dumb"}, {"XDG_STATE_HOME", folder_.string()}});
  const auto sees = [&](const std::string& text) { EXPECT_TRUE(terminal.expect(text)) << terminal.rest(); };
  sees("barriers per token");
  sees("\n> ");
  terminal.send("/system You answer in one short sentence.\n");
  sees("is set");
  sees("> ");
  terminal.send("My name is Ada. Say hello.\n");
  sees("tokens/s; decode");
  sees("> ");
  terminal.send("What is two and two?\n");
  sees(" kept, ");  // the first turn is not read again
  sees("> ");
  terminal.send("/stats\n");
  sees(" of 512 tokens");
  sees("> ");
  terminal.send("/save " + (folder_ / "talk.json").string() + "\n");
  sees("saved 5 messages");
  sees("> ");
  terminal.send("/reset\n");
  sees("forgotten");
  sees("> ");
  terminal.send("/load " + (folder_ / "talk.json").string() + "\n");
  sees("loaded 5 messages");
  sees("> ");
  terminal.send("/set max-tokens 400\n");
  sees("> ");
  terminal.send("Tell me a long story about a dragon.\n");
  // What was typed is echoed first; the first blank after it is the answer's.
  sees("dragon.");
  sees("\n");
  sees(" ");
  terminal.send("\x03");
  sees("(stopped)");
  sees("> ");
  terminal.send("\x04");
  EXPECT_EQ(terminal.wait(), 0);
}

}  // namespace
}  // namespace caldera::test
