#include "text/unicode_normalize.hpp"

#include <gtest/gtest.h>

namespace caldera::text {
namespace {

std::string nfc(std::string_view text) {
  std::string storage;
  return std::string(normalize_nfc(text, storage));
}

// Expectations: Unicode Standard Annex #15.
TEST(NormalizeNfc, ComposesAndOrders) {
  EXPECT_EQ(nfc("plain"), "plain");
  EXPECT_EQ(nfc("e\u0301"), "\u00e9");
  EXPECT_EQ(nfc("a\u0302\u0323"), "\u1ead");
  EXPECT_EQ(nfc("q\u0307\u0323"), "q\u0323\u0307");
  EXPECT_EQ(nfc("\u1112\u1161\u11ab"), "\ud55c");
  EXPECT_EQ(nfc("\u212b"), "\u00c5");
  EXPECT_EQ(nfc("\u0958"), "\u0915\u093c") << "a composition exclusion";
  EXPECT_EQ(nfc("\u1e9b\u0323"), "\u1e9b\u0323");
  EXPECT_EQ(nfc(""), "");
  EXPECT_EQ(nfc(std::string_view("a\0e\u0301", 5)), std::string_view("a\0\u00e9", 4));
}

TEST(NormalizeNfc, CopiesOnlyWhatMayChange) {
  std::string storage;
  const std::string_view text = "na\u00efve caf\u00e9";
  EXPECT_EQ(normalize_nfc(text, storage).data(), text.data());
}

TEST(NormalizeNfc, LeavesEndlessMarksAlone) {
  std::string text = "e";
  for (int i = 0; i < 200'000; ++i) text += i % 2 == 0 ? "\u0301" : "\u0323";
  EXPECT_EQ(nfc(text), text);
}

}  // namespace
}  // namespace caldera::text
