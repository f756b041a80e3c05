// The interactive chat, at a terminal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "cli/fake/models.hpp"
#include "cli/process.hpp"

namespace caldera::test {
namespace {

class Chat : public ::testing::Test {
 protected:
  void start(const std::string& behaviour = "fake", const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"run", fake_model(folder_, behaviour), "--temp", "0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    terminal_.emplace(CALDERA_PROGRAM, arguments,
                      std::map<std::string, std::string>{{"TERM", "dumb"},
                                                         {"XDG_STATE_HOME", folder_.string()},
                                                         {"HOME", folder_.string()},
                                                         {"LC_ALL", "C"}});
    ASSERT_TRUE(terminal_->expect("Ctrl-D leaves")) << terminal_->transcript();
    ASSERT_TRUE(terminal_->expect("> "));
  }
  void type(const std::string& line) { terminal_->send(line + "\n"); }
  void sees(const std::string& text) {
    EXPECT_TRUE(terminal_->expect(text, Seconds(20))) << terminal_->rest();
  }
  void prompted() { sees("> "); }

  TemporaryFolder folder_;
  std::optional<Terminal> terminal_;
};

TEST_F(Chat, TwoTurnsKeepWhatIsTheSame) {
  start("fake", {"--verbose"});
  type("first");
  sees("You said: first");
  sees("prompt: 23 tokens,");
  prompted();
  type("second");
  sees("You said: second");
  sees("38 kept");  // of the first turn, question and answer
  prompted();
  type("/stats");
  sees("context: ");
  sees(" of 4096 tokens");
  sees("dispatches and");
  prompted();
  terminal_->send("\x04");
  EXPECT_EQ(terminal_->wait(), 0);
}

TEST_F(Chat, Utf8WhateverTheLocale) {
  start();
  type("zażółć 🐢");
  sees("You said: zażółć 🐢");
  prompted();
  type("/quit");
  EXPECT_EQ(terminal_->wait(), 0);
}

TEST_F(Chat, LinesThatGoOnAndBlocks) {
  start("fake", {"--verbose"});
  type("one\\");
  sees(". ");
  type("two");
  sees("You said: two");
  sees("prompt: 25 tokens");  // "user:\none\ntwo\nassistant:\n"
  prompted();
  type("/reset");
  sees("forgotten");
  prompted();
  type("\"\"\"a");
  type("/quit");
  type("b\"\"\"");
  sees("You said: b");
  sees("prompt: 27 tokens");
  prompted();
  type("\"\"\"one line\"\"\"");
  sees("You said: one line");
}

TEST_F(Chat, Commands) {
  start("fake", {"--system", "be kind"});
  type("/help");
  sees("/system [TEXT]");
  sees("/quit");
  prompted();
  type("/nonsense now");
  sees("there is no command /nonsense");
  prompted();
  type("/system");
  sees("be kind");
  prompted();
  type("/system  be brief ");
  sees("is set");
  prompted();
  type("/system");
  sees("be brief\r\n");
  prompted();
  type("/set");
  sees("temperature        0");
  sees("seed               random");
  prompted();
  type("/set top-p 0");
  sees("top-p must be a number above 0 and at most 1, not '0'");
  prompted();
  type("/set max-tokens 3");
  sees("max-tokens is 3");
  prompted();
  type("hello");
  sees("You\r\n");
  prompted();
  type("/set colour red");
  sees("there is no setting colour");
  prompted();
  type("   ");
  prompted();
  type("/save");
  sees("/save needs a file name");
}

TEST_F(Chat, SavesAndLoads) {
  start();
  type("hello");
  sees("You said: hello");
  prompted();
  type("/save ~/talk.json");
  sees("saved 2 messages");
  prompted();
  const auto saved = nlohmann::json::parse(read_file(folder_ / "talk.json"));
  EXPECT_EQ(saved.at("messages").at(1).at("content"), "You said: hello");
  type("/reset");
  prompted();
  type("/load " + (folder_ / "talk.json").string());
  sees("loaded 2 messages");
  prompted();
  type("again");
  sees("You said: again");
  prompted();
  for (const char* other : {"model", "absent", "."}) {
    type("/load " + (folder_ / other).string());
    sees(std::string(other) == "absent" ? "cannot open" : "not a conversation saved by Caldera");
    prompted();
  }
  type("/save " + (folder_ / "no" / "folder").string());
  sees("cannot write");
  prompted();
  type("/save ~/talk.json");
  sees("saved 4 messages");
}

TEST_F(Chat, CtrlCStopsTheAnswerAndKeepsIt) {
  start("fake slow", {"--ignore-end"});
  type("hello");
  sees("You said: he");
  terminal_->send("\x03");
  sees("(stopped)");
  prompted();
  type("/save ~/talk.json");
  sees("saved 2 messages");
  const auto saved = nlohmann::json::parse(read_file(folder_ / "talk.json"));
  EXPECT_THAT(saved.at("messages").at(1).at("content").get<std::string>(),
              ::testing::StartsWith("You said: he"));
  prompted();
  type("/set max-tokens 4");
  prompted();
  type("more");
  sees("You ");
  prompted();
}

TEST_F(Chat, CtrlCAtThePromptClearsTheLine) {
  start();
  terminal_->send("half a li");
  sees("half a li");
  terminal_->send("\x03");
  sees("^C");
  prompted();
  type("whole");
  sees("You said: whole\r\n");
  prompted();
  terminal_->send("\x03");
  prompted();
  terminal_->send("\x03");
  sees("/quit or Ctrl-D leaves");
  prompted();
  type("\"\"\"block");
  sees(". ");
  terminal_->send("\x03");
  prompted();
  type("still here");
  sees("You said: still here");
}

TEST_F(Chat, ASuspendedChatGoesOn) {
  start();
  terminal_->send("abc");
  sees("abc");
  kill(terminal_->pid(), SIGCONT);
  kill(terminal_->pid(), SIGWINCH);
  usleep(100000);
  type("def");
  sees("You said: abcdef");
}

TEST_F(Chat, OutgrowingTheContextLosesNothing) {
  start("fake", {"-c", "90"});
  type("hello");
  sees("You said: hello");
  prompted();
  type("a message that is far too long for what is left of the context");
  sees("no room");
  sees("/reset");
  prompted();
  type("/save ~/talk.json");
  sees("saved 2 messages");
  prompted();
  type("1234567890123456");
  sees("is full");
  prompted();
  type("/reset");
  prompted();
  type("hello");
  sees("You said: hello");
}

TEST_F(Chat, ForgetsTheOldestWhereAskedTo) {
  start("fake", {"-c", "120", "--system", "be kind"});
  type("/context");
  sees("0 of 120 tokens used, 120 left");
  sees("the answer stops");
  prompted();
  type("/set context-end perhaps");
  sees("context-end must be stop or shift, not 'perhaps'");
  prompted();
  type("/set context-end shift");
  sees("context-end is shift");
  prompted();
  type("/context");
  sees("quarter behind the first 22 tokens");  // "system:\nbe kind\nuser:\n"
  prompted();
  for (const char* message : {"one two three four", "five six seven eight"}) {
    type(message);
    sees(std::string("You said: ") + message);
    prompted();
  }
  type("/context");
  sees("older tokens are forgotten");
  prompted();
  type(std::string(130, 'x'));
  sees("no room");
}

TEST_F(Chat, HistoryIsKept) {
  start();
  type("remember me");
  sees("You said: remember me");
  prompted();
  type("/quit");
  EXPECT_EQ(terminal_->wait(), 0);
  struct stat status = {};
  ASSERT_EQ(stat((folder_ / "caldera/history").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 077, 0U);
  start();
  terminal_->send("\x10\x10");  // Ctrl-P past "/quit"
  sees("remember me");
  type("");
  sees("You said: remember me");
}

TEST_F(Chat, ATerminalThatGoesAwayEndsIt) {
  start();
  kill(terminal_->pid(), SIGHUP);
  EXPECT_NE(terminal_->wait(), -1);
}

}  // namespace
}  // namespace caldera::test
