#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "text/bpe_bytes.hpp"
#include "text/bpe_merge.hpp"
#include "text/tokenizer_table.hpp"
#include "text/utf8.hpp"

namespace caldera::text {
namespace {

using Merges = std::map<std::pair<Token, Token>, BpeMerge>;

/// Merging as its definition says: the best pair of all, again and again.
std::vector<Token> merge_by_hand(std::vector<Token> word, const Merges& merges) {
  while (true) {
    size_t best = word.size();
    uint32_t best_rank = UINT32_MAX;
    for (size_t i = 0; i + 1 < word.size(); ++i) {
      const auto merge = merges.find({word[i], word[i + 1]});
      if (merge == merges.end() || merge->second.rank >= best_rank) continue;
      best = i;
      best_rank = merge->second.rank;
    }
    if (best == word.size()) return word;
    word[best] = merges.at({word[best], word[best + 1]}).token;
    word.erase(word.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

TEST(BpeMerger, AgreesWithTheDefinition) {
  std::mt19937 random(2);
  BpeMerger merger;
  for (int round = 0; round < 3000; ++round) {
    Merges merges;
    for (uint32_t rank = 0; rank < 12; ++rank) {
      const auto any = [&] { return static_cast<Token>(random() % 8); };
      merges.insert({{any(), any()}, {rank / 2, any()}});  // equal ranks too
    }
    std::vector<Token> word(random() % 20);
    for (Token& token : word) token = static_cast<Token>(random() % 4);

    merger.symbols().clear();
    for (uint32_t i = 0; i < word.size(); ++i) merger.symbols().push_back({i, 1, word[i]});
    merger.run([&](const BpeSymbol& left, const BpeSymbol& right) -> std::optional<BpeMerge> {
      const auto merge = merges.find({left.token, right.token});
      return merge == merges.end() ? std::nullopt : std::optional(merge->second);
    });
    std::vector<Token> result;
    uint32_t at = 0;
    for (const BpeSymbol& symbol : merger.symbols()) {
      result.push_back(symbol.token);
      EXPECT_EQ(symbol.begin, at);
      at += symbol.length;
    }
    EXPECT_EQ(at, word.size());
    EXPECT_EQ(result, merge_by_hand(word, merges));
  }
}

TEST(BpeBytes, SpellingIsOneToOne) {
  std::string all;
  std::map<std::string_view, int> seen;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string_view spelling = byte_spelling(static_cast<uint8_t>(byte));
    EXPECT_EQ(find_invalid_utf8(spelling), std::string_view::npos);
    EXPECT_TRUE(seen.emplace(spelling, byte).second);
    EXPECT_EQ(spelled_bytes(spelling), std::string(1, static_cast<char>(byte)));
    all += spelling;
  }
  EXPECT_EQ(spelled_bytes(all).size(), 256u);
  EXPECT_EQ(byte_spelling(' '), "Ġ");
  EXPECT_EQ(byte_spelling('\n'), "Ċ");
  EXPECT_EQ(byte_spelling('A'), "A");
  EXPECT_EQ(byte_spelling(0xAD), "Ń");
}

TEST(BpeBytes, KeepsCharactersThatStandForNoByte) {
  EXPECT_EQ(spelled_bytes("a b中😀Ġń"), "a b中😀 \u0144");
}

struct BadHash {
  size_t operator()(int) const { return 7; }
};

TEST(Table, FindsWhatWasAdded) {
  Table<int, int, BadHash> table(100);
  for (int key = 1; key <= 100; ++key) EXPECT_TRUE(table.insert(key, key * 2));
  EXPECT_FALSE(table.insert(50, 1));
  for (int key = 1; key <= 100; ++key) EXPECT_EQ(*table.find(key), key * 2);
  EXPECT_EQ(table.find(101), nullptr);
  EXPECT_EQ(table.find(0), nullptr);
  EXPECT_EQ((Table<int, int, BadHash>().find(1)), nullptr);
}

}  // namespace
}  // namespace caldera::text
