// Attention of one token of each of several sequences, in an operation of its own.
#include <gtest/gtest.h>

#include "kernels/attention_case.hpp"

namespace caldera::kernels {
namespace {

/// One token of each of eight sequences, with contexts on both sides of tiles' and pages' edges.
void check_decode(const AttentionCase& c, uint32_t recorded = 8) {
  std::vector<Entry> entries;
  for (const uint32_t context : {200U, 1U, 65U, 7U, 64U, 8U, 63U, 9U}) {
    entries.push_back({0, context - 1, static_cast<uint32_t>(entries.size()), 0});
  }
  check_attention(c, entries, true, recorded);
}

const std::vector<AttentionCase> kHeads{
    {.head = 32}, {.head = 80}, {.head = 96}, {.heads = 2, .head = 128}, {.heads = 2, .head = 256}};

TEST(AttentionTest, DecodesWithEverySharing) {
  for (const AttentionCase& c : kSharing) check_decode(c);
}

TEST(AttentionTest, DecodesWithEveryHeadSize) {
  for (const AttentionCase& c : kHeads) check_decode(c);
}

TEST(AttentionTest, DecodesInSplits) {
  for (const uint32_t splits : {2U, 4U, 16U}) {  // a context of one token has one tile
    check_decode({.splits = splits});
    check_decode({.window = 70, .splits = splits}, 11);
  }
}

TEST(AttentionTest, DecodesInAWindow) {
  for (const uint32_t window : {1U, 5U, 8U, 64U, 100U, 4096U}) check_decode({.window = window});
}

TEST(AttentionTest, SharpAndFlatScores) {
  check_decode({.sharpness = 60});
  check_decode({.sharpness = 0.01F});
  check_decode({.splits = 4, .sharpness = 60});
}

TEST(AttentionTest, ReadsEveryFormat) {
  check_decode({.window = 70, .keys = kQ8, .values = kQ8});
  check_decode({.head = 96, .keys = kQ8, .values = kQ4});
  check_decode({.head = 32, .splits = 4, .keys = kQ4, .values = kQ8});
}

TEST(AttentionTest, NoTokensWriteNothing) {
  check_attention({}, {}, true, 4);
  check_attention({.splits = 4}, {}, true, 4);
}

}  // namespace
}  // namespace caldera::kernels
