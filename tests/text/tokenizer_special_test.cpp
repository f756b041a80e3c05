#include "text/tokenizer_special.hpp"

#include <gtest/gtest.h>

#include <random>

namespace caldera::text {
namespace {

TEST(SpecialMatcher, FindsTheLeftmostAndLongest) {
  const SpecialMatcher matcher({{"ab", 1}, {"abcd", 2}, {"b", 3}, {"", 4}, {"ab", 5}});
  const SpecialMatcher::Match match = matcher.next("xxabcabcd", 0);
  EXPECT_EQ(match.begin, 2u);
  EXPECT_EQ(match.length, 2u);
  EXPECT_EQ(match.token, 1);
  EXPECT_EQ(matcher.next("xxabcabcd", 4).token, 2);
  EXPECT_EQ(matcher.next("xxabcabcd", 6).token, 3);
  EXPECT_EQ(matcher.next("xxabcabcd", 7).begin, std::string_view::npos);
  EXPECT_EQ(matcher.next("", 0).begin, std::string_view::npos);
  EXPECT_EQ(SpecialMatcher({}).next("abc", 0).length, 0u);
}

TEST(SpecialMatcher, AgreesWithASearchByHand) {
  std::mt19937 random(5);
  const auto word = [&](size_t longest) {
    std::string out;
    for (size_t length = random() % (longest + 1); length > 0; --length) out += "ab\xC3\xFF"[random() % 4];
    return out;
  };
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::pair<std::string, Token>> spellings;
    for (Token token = 0; token < 6; ++token) spellings.emplace_back(word(4), token);
    const SpecialMatcher matcher(spellings);
    const std::string text = word(12);
    SpecialMatcher::Match expected;
    for (size_t begin = 0; begin < text.size() && expected.length == 0; ++begin) {
      for (const auto& [spelling, token] : spellings) {
        if (spelling.size() > expected.length && std::string_view(text).substr(begin).starts_with(spelling)) {
          expected = {begin, spelling.size(), token};
        }
      }
    }
    const SpecialMatcher::Match match = matcher.next(text, 0);
    EXPECT_EQ(match.begin, expected.begin);
    EXPECT_EQ(match.length, expected.length);
    EXPECT_EQ(match.token, expected.token);
  }
}

}  // namespace
}  // namespace caldera::text
