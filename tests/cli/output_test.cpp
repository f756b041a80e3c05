#include "cli/output.hpp"

#include <gtest/gtest.h>

namespace caldera::cli {
namespace {

TEST(Output, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(escape("a\nb\t\x1b[2J\x7f"), "a\\nb\\t\\x1b[2J\\x7f");
  EXPECT_EQ(escape("b\\n"), "b\\\\n");
  EXPECT_EQ(escape("\xc2\x9b"
                   "2J"),
            "\\u009b2J");
  EXPECT_EQ(escape("żółw 🐢"), "żółw 🐢");
  EXPECT_EQ(escape("x\xff\xc3"), "x\\xff\\xc3");
}

TEST(Output, KeepsLinesOfAnswers) {
  EXPECT_EQ(terminal_safe("a\n\tb é\x1b[2J"), "a\n\tb é\xEF\xBF\xBD[2J");
}

TEST(Output, KeepsErrorsOnOneLine) {
  EXPECT_EQ(one_line("a\nb \\x1b\x1b\xff"), "a b \\x1b\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Output, ShortensBetweenCharacters) {
  EXPECT_EQ(shorten("abc", 3), "abc");
  EXPECT_EQ(shorten("abcd", 3), "abc…");
  EXPECT_EQ(shorten("aéé", 2), "a…");
  EXPECT_EQ(shorten("\x80\x80\x80", 2), "…");
}

TEST(Output, ScalesNumbers) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(uint64_t{94} << 20), "94 MiB");
  EXPECT_EQ(human_bytes(UINT64_MAX), "16 EiB");
  EXPECT_EQ(human_count(134'515'008), "134.5 M");
  EXPECT_EQ(human_count(405'853'000'000), "405.9 G");
  EXPECT_EQ(human_count(7), "7");
}

}  // namespace
}  // namespace caldera::cli
