#include "text/pretokenizer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "caldera/error.hpp"

namespace caldera::text {
namespace {

using testing::ElementsAre;

std::vector<std::string> split(const char* name, std::string_view text) {
  const Pretokenizer pretokenizer(pretokenizer_kind(name).pattern);
  Pretokenizer::Words words(pretokenizer, text);
  std::vector<std::string> out;
  for (std::string_view word; words.next(word);) out.emplace_back(word);
  return out;
}

TEST(Pretokenizer, SplitsAsEachFamilyDoes) {
  EXPECT_THAT(split("gpt-2", "I'm  at 1234\n"), ElementsAre("I", "'m", " ", " at", " 1234", "\n"));
  EXPECT_THAT(split("smollm", "x  12 3"), ElementsAre("x", "  ", "1", "2", " ", "3"));
  EXPECT_THAT(split("llama-bpe", "I'M 12345!\n\n"), ElementsAre("I", "'M", " ", "123", "45", "!\n\n"));
  EXPECT_THAT(split("qwen2", "a 12"), ElementsAre("a", " ", "1", "2"));
  EXPECT_THAT(split("tekken", "HTTPServer a/b/\n"), ElementsAre("HTTPServer", " a", "/b", "/\n"));
  EXPECT_THAT(split("tekken", "camelCase I'm"), ElementsAre("camel", "Case", " I", "'m"));
  EXPECT_THAT(split("gpt-4o", "camelCase I'm 1234"), ElementsAre("camel", "Case", " I'm", " ", "123", "4"));
  EXPECT_THAT(split("gpt-2", ""), ElementsAre());
}

TEST(Pretokenizer, MongolianVowelSeparatorIsNoWhiteSpace) {
  EXPECT_THAT(split("gpt-2", "\u180e\u180e"), ElementsAre("\u180e\u180e"));
  EXPECT_THAT(split("gpt-2", " \u180e"), ElementsAre(" \u180e"));
}

TEST(Pretokenizer, WordsTogetherAreTheText) {
  std::mt19937 random(11);
  const std::vector<std::string> parts = {"a",  "B",  "é",      "中", "1", "'s",     "'LL", " ",
                                          "\n", "\r", "\u00a0", "!",  "/", "\u0301", "😀"};
  for (const char* name : {"gpt-2", "smollm", "llama-bpe", "qwen2", "tekken", "gpt-4o"}) {
    for (int round = 0; round < 200; ++round) {
      std::string text;
      for (size_t length = random() % 40; length > 0; --length) text += parts[random() % parts.size()];
      std::string joined;
      for (const std::string& word : split(name, text)) {
        EXPECT_FALSE(word.empty());
        joined += word;
      }
      EXPECT_EQ(joined, text);
    }
  }
}

TEST(Pretokenizer, TakesLongHostileText) {
  for (const char* name : {"gpt-2", "smollm", "llama-bpe", "qwen2", "tekken", "gpt-4o"}) {
    for (const char* unit :
         {"a", "A", " ", "\n", "\u0301", "7", "!", " \n", "Aa", "\u01C5", "'", "中", "\u2028"}) {
      std::string text;
      while (text.size() < 200'000) text += unit;
      for (const char* tail : {"", "x", " ", "\n", "1"}) {
        const Pretokenizer pretokenizer(pretokenizer_kind(name).pattern);
        const std::string whole = text + tail;
        Pretokenizer::Words words(pretokenizer, whole);
        size_t bytes = 0;
        for (std::string_view word; words.next(word);) bytes += word.size();
        EXPECT_EQ(bytes, whole.size());
      }
    }
  }
}

TEST(Pretokenizer, NamesTheKnownKinds) {
  try {
    pretokenizer_kind("nonsense");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    EXPECT_THAT(error.what(), testing::HasSubstr("'nonsense'"));
    EXPECT_THAT(error.what(), testing::HasSubstr("tekken"));
  }
}

}  // namespace
}  // namespace caldera::text
