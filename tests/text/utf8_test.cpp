#include "text/utf8.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace caldera::text {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

std::string replacements(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += kReplacement;
  return out;
}

/// Bytes that make every kind of valid, broken and cut-off sequence likely.
std::string random_bytes(std::mt19937& random, size_t length) {
  static const std::vector<uint8_t> kBytes = {'a',  'z',  0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0,
                                              0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED,
                                              0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
  std::string out;
  for (size_t i = 0; i < length; ++i) out += static_cast<char>(kBytes[random() % kBytes.size()]);
  return out;
}

TEST(FindInvalidUtf8, AcceptsEveryLengthAtItsLimits) {
  EXPECT_EQ(find_invalid_utf8(""), std::string_view::npos);
  EXPECT_EQ(find_invalid_utf8("plain text that is longer than one machine word"), std::string_view::npos);
  EXPECT_EQ(find_invalid_utf8("\x7F \xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xEF\xBF\xBF"),
            std::string_view::npos);
  EXPECT_EQ(find_invalid_utf8("\xF0\x90\x80\x80 \xF4\x8F\xBF\xBF"), std::string_view::npos);
}

TEST(FindInvalidUtf8, FindsTheFirstBadByte) {
  EXPECT_EQ(find_invalid_utf8("ab\xFFgh"), 2u);
  EXPECT_EQ(find_invalid_utf8("ab\x80"), 2u);
  EXPECT_EQ(find_invalid_utf8("\xC0\x80"), 0u) << "overlong";
  EXPECT_EQ(find_invalid_utf8("x\xE0\x9F\xBF"), 1u) << "overlong";
  EXPECT_EQ(find_invalid_utf8("x\xED\xA0\x80"), 1u) << "surrogate";
  EXPECT_EQ(find_invalid_utf8("x\xF4\x90\x80\x80"), 1u) << "above U+10FFFF";
  EXPECT_EQ(find_invalid_utf8("\xE2\x82\xAC\xE2\x82"), 3u) << "cut off";
  EXPECT_EQ(find_invalid_utf8("0123456789abcdef\x80"), 16u);
}

// The example of the Unicode Standard 15, section 3.9, table 3-11, and what Python's errors='replace' gives.
TEST(ReplaceInvalidUtf8, ReplacesMaximalSubparts) {
  EXPECT_EQ(replace_invalid_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), replacements(4) + "A");
  EXPECT_EQ(replace_invalid_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), replacements(8) + "A");
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), replacements(8) + "A");
  EXPECT_EQ(replace_invalid_utf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            replacements(5) + "A" + replacements(2) + "B");
  EXPECT_EQ(replace_invalid_utf8("a\xF0\x9F\x98"), std::string("a") += kReplacement);
  EXPECT_EQ(replace_invalid_utf8("grün"), "grün");
}

TEST(Utf8Stream, HoldsBackAnIncompleteCharacter) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xF0\x9F"), "a");
  EXPECT_EQ(stream.push("\x98"), "");
  EXPECT_EQ(stream.push("\x80!"), "\xF0\x9F\x98\x80!");
  EXPECT_EQ(stream.finish(), "");
  EXPECT_EQ(stream.push("\xE2\x82"), "");
  EXPECT_EQ(stream.finish(), kReplacement);
  EXPECT_EQ(stream.finish(), "");
}

TEST(Utf8Stream, GivesTheSameForEverySplit) {
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    const std::string bytes = random_bytes(random, random() % 24);
    Utf8Stream stream;
    std::string out;
    for (size_t at = 0; at < bytes.size();) {
      const size_t length = std::min<size_t>(random() % 5, bytes.size() - at);
      out += stream.push(bytes.substr(at, length));
      EXPECT_EQ(find_invalid_utf8(out), std::string_view::npos);
      at += length;
    }
    out += stream.finish();
    ASSERT_EQ(out, replace_invalid_utf8(bytes)) << testing::PrintToString(bytes);
  }
}

}  // namespace
}  // namespace caldera::text
