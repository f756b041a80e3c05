// What a user of the program meets of a lost device.
#include "cli/process.hpp"
#include "recovery/lost_device.hpp"

namespace caldera::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// The program runs as a child, which is told by the environment when its device is lost.
class LostCli : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<gguf::TemporaryFolder>();
    file_ = write_synthetic({.layers = 2, .width = 128, .heads = 2, .kv_heads = 1, .head = 64, .ffn = 256},
                            folder_->path() / "small.gguf");
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static SimulatedDevice device(const std::string& loss) {
    SimulatedOptions options;
    options.scale = "total:256MiB";
    options.as_cpu = true;
    options.loss = loss;
    return SimulatedDevice("strix-halo-128-linux", options);
  }
  static Result answer(const std::string& loss) {
    const SimulatedDevice simulated = device(loss);
    return run(CALDERA_PROGRAM, {"run", file_, "--raw", "Once upon a time", "--seed", "5", "--ignore-end",
                                 "-n", "16", "-c", "128"});
  }

  static inline std::unique_ptr<gguf::TemporaryFolder> folder_;
  static inline std::string file_;
};

TEST_F(LostCli, AnAnswerGoesOn) {
  const Result whole = answer("");
  ASSERT_EQ(whole.code, 0) << whole.err;
  EXPECT_THAT(whole.err, Not(HasSubstr("lost")));
  const Result mended = answer("submission:9");
  EXPECT_EQ(mended.code, 0) << mended.err;
  EXPECT_EQ(mended.out, whole.out);
  EXPECT_THAT(mended.err, HasSubstr("the device was lost (submitting work failed with VK_ERROR_DEVICE_LOST"));
  EXPECT_THAT(mended.err, HasSubstr("; loading the model again\n"));
  EXPECT_THAT(mended.err, HasSubstr("the device is back after "));
  const Result part = answer("submission:9:99");
  EXPECT_EQ(part.code, 6) << part.err;
  EXPECT_THAT(part.err, HasSubstr("(attempt 3)"));
  EXPECT_THAT(part.err, HasSubstr("caldera: the device was lost 4 times in a row"));
  EXPECT_THAT(part.err, HasSubstr("the text so far is safe"));
  const std::string text = part.out.substr(0, part.out.size() - 1);
  EXPECT_FALSE(text.empty());
  EXPECT_EQ(whole.out.substr(0, text.size()), text);
}

TEST_F(LostCli, AChatKeepsItsConversation) {
  const SimulatedDevice simulated = device("submission:6:4");
  Terminal terminal(CALDERA_PROGRAM, {"run", file_, "--ignore-end", "-n", "8", "-c", "256", "--seed", "5"});
  ASSERT_TRUE(terminal.expect("> ")) << terminal.transcript();
  terminal.send("Hello\r");
  ASSERT_TRUE(terminal.expect("the conversation is kept")) << terminal.transcript();
  ASSERT_TRUE(terminal.expect("> ")) << terminal.transcript();
  terminal.send("And now?\r");
  ASSERT_TRUE(terminal.expect("> ")) << terminal.transcript();
  terminal.send("/save " + (folder_->path() / "talk.json").string() + "\r");
  ASSERT_TRUE(terminal.expect("saved 4 messages")) << terminal.transcript();
  terminal.send("/quit\r");
  EXPECT_EQ(terminal.wait(), 0);
}

TEST_F(LostCli, ABenchEndsWithOneLine) {
  const SimulatedDevice simulated = device("submission:8");
  const Result result = run(CALDERA_PROGRAM, {"bench", file_, "-p", "16", "-n", "4", "-r", "1", "-q"});
  EXPECT_EQ(result.code, 6) << result.err;
  EXPECT_EQ(count_lines(result.err), 1U) << result.err;
  EXPECT_THAT(result.err, HasSubstr("VK_ERROR_DEVICE_LOST"));
}

}  // namespace
}  // namespace caldera::test
