// Attention of a prompt's tokens, on matrix units where the device has them: a software device is told to use
// them.
#include <gtest/gtest.h>

#include "kernels/attention_case.hpp"

namespace caldera::kernels {
namespace {

using plan::KvFormat;

/// The kernel that needs no matrix units, in the usual sizes and in others.
TEST(PromptAttentionTest, EverySharing) {
  for (const AttentionCase& c : kSharing) check_prefill(c, 55, 20, 24);
}

TEST(PromptAttentionTest, EveryHeadSize) {
  for (const uint32_t head : {32U, 80U, 128U, 256U}) {
    check_prefill({.heads = 4, .kv_heads = 2, .head = head}, 60, 10, 12);
  }
}

TEST(PromptAttentionTest, EveryLength) {
  for (const uint32_t first : {0U, 5U, 63U, 127U, 190U}) {
    for (const uint32_t count : {1U, 2U, 7U, 9U, 66U}) check_prefill({}, first, count, count + 1);
  }
  check_prefill({}, 70, 130, 256);
}

TEST(PromptAttentionTest, Windows) {
  for (const uint32_t window : {1U, 3U, 9U, 64U, 100U}) check_prefill({.window = window}, 130, 20, 20);
}

TEST(PromptAttentionTest, Splits) {
  check_prefill({.splits = 4}, 0, 10, 10);
  check_prefill({.window = 20, .splits = 4}, 120, 20, 22);
  check_prefill({.splits = 4, .half_out = true}, 120, 20, 22);
}

TEST(PromptAttentionTest, SharpAndFlatScores) {
  check_prefill({.sharpness = 60}, 100, 20, 20);
  check_prefill({.sharpness = 0.01F}, 100, 20, 20);
}

TEST(PromptAttentionTest, EveryFormat) {
  check_prefill({.head = 32, .keys = KvFormat::kQ8_0, .values = KvFormat::kQ4_0, .half_out = true}, 55, 20,
                24);
  check_prefill({.head = 32, .keys = KvFormat::kQ4_0, .values = KvFormat::kQ8_0}, 55, 20, 24);
}

TEST(PromptAttentionTest, OtherSizes) {
  check_prefill({.sizes = LaneAttention{2, 4, 3, 2}}, 60, 20, 20);
  check_prefill({.sizes = LaneAttention{3, 8, 1, 4}}, 60, 20, 20);
}

TEST(PromptAttentionTest, NoTokensWriteNothing) {
  check_attention({}, {}, false, 4);
}

/// On matrix units. A software device compiles each of these kernels for seconds, so heads are small where
/// their size does not matter.
class MatrixAttentionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Kernels kernels = shared_kernels();
    kernels.use_matrix_units(Kernels::MatrixUse::kAlways);
    kernels.ask_units();
    units_ = kernels.attention_units();
    // Where it has none, kernels_prompt_attention_test_matrix runs these on a software device with them.
    if (units_.matrix.shapes.empty()) GTEST_SKIP() << "the device has no matrix units";
  }
  /// `c` on the first shape of the device; blocks are small, so that a few tokens make several.
  AttentionCase with(AttentionCase c, uint32_t subgroups = 2, uint32_t row_tiles = 1, uint32_t keys = 16,
                     bool hold_queries = false, bool turn_values = true) const {
    c.sizes = MatrixAttention{units_.matrix.shapes[0], subgroups, row_tiles, keys, hold_queries, turn_values};
    return c;
  }
  AttentionUnits units_;
};

TEST_F(MatrixAttentionTest, EveryLength) {
  const AttentionCase c = with({.head = 16});
  for (const uint32_t first : {0U, 5U, 63U, 127U, 190U}) {
    for (const uint32_t count : {1U, 2U, 7U, 9U, 66U}) check_prefill(c, first, count, count + 1);
  }
  check_prefill(c, 70, 130, 256);
}

TEST_F(MatrixAttentionTest, Windows) {
  for (const uint32_t window : {1U, 3U, 9U, 64U, 100U}) {
    check_prefill(with({.head = 16, .window = window}), 130, 20, 20);
  }
}

/// References that rise late, and scores that are far from 0.
TEST_F(MatrixAttentionTest, SharpAndFlatScores) {
  for (const float sharpness : {0.01F, 60.0F, 400.0F}) {
    check_prefill(with({.head = 16, .sharpness = sharpness}), 100, 20, 20);
  }
}

TEST_F(MatrixAttentionTest, Sharing) {
  check_prefill(with({.heads = 14, .kv_heads = 2, .head = 16}), 55, 20, 24);
}

TEST_F(MatrixAttentionTest, Splits) {
  const AttentionCase c = with({.head = 16, .splits = 4, .half_out = true});
  check_prefill(c, 0, 10, 10);
  check_prefill(c, 120, 20, 22);
}

TEST_F(MatrixAttentionTest, EveryFormat) {
  AttentionCase c{.head = 32, .keys = KvFormat::kQ8_0, .values = KvFormat::kQ4_0, .half_out = true};
  check_prefill(with(c), 55, 20, 24);
  c = {.head = 32, .keys = KvFormat::kQ4_0, .values = KvFormat::kQ8_0};
  check_prefill(with(c, 2, 1, 16, false, false), 55, 20, 24);
}

TEST_F(MatrixAttentionTest, EveryHeadSize) {
  for (const uint32_t head : {80U}) {
    const std::vector<MatrixAttention> candidates = attention_candidates(head, units_);
    ASSERT_FALSE(candidates.empty()) << "heads of " << head;
    AttentionCase c{.heads = 4, .kv_heads = 2, .head = head};
    c.sizes = candidates.front();
    check_prefill(c, 60, 10, 12);
  }
}

/// Scores of the next tile made while values are summed; weights where they are, where the device allows it.
TEST_F(MatrixAttentionTest, Ahead) {
  AttentionCase c = with({.head = 16, .window = 50}, 2, 1, 16, true, false);
  auto& sizes = std::get<MatrixAttention>(*c.sizes);
  sizes.ahead = true;
  sizes.in_place = !units_.alike.empty();
  if (sizes.in_place) sizes.shape = units_.alike[0];
  for (const uint32_t first : {0U, 5U, 70U, 190U}) {
    for (const uint32_t count : {1U, 9U, 66U}) check_prefill(c, first, count, count + 1);
  }
  c.window = 0;
  for (const float sharpness : {0.01F, 60.0F, 400.0F}) {
    c.sharpness = sharpness;
    check_prefill(c, 100, 20, 20);
  }
}

TEST_F(MatrixAttentionTest, AheadInParts) {
  AttentionCase c = with({.head = 16, .splits = 4}, 2, 1, 16, true, false);
  std::get<MatrixAttention>(*c.sizes).ahead = true;
  check_prefill(c, 120, 20, 22);
  check_prefill(c, 0, 10, 10);
}

TEST_F(MatrixAttentionTest, OtherSizes) {
  check_prefill(with({.head = 16}, 3, 2, 16, true, false), 60, 20, 20);
}

}  // namespace
}  // namespace caldera::kernels
