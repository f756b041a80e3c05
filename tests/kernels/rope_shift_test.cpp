// Keys turned back to earlier positions, against rotations in double precision: in place, on the way into
// other pages, in several layers; and beside what rope.comp writes at the earlier positions.
#include <gtest/gtest.h>

#include "kernels/expected_attention.hpp"
#include "kernels/kernel_test.hpp"
#include "kernels/test_pages.hpp"

namespace caldera::kernels {
namespace {

struct Case {
  uint32_t kv_heads = 2;
  uint32_t head = 64;
  uint32_t rotated = 64;
  bool neox = false;
  plan::KvFormat format = kF16;

  RotaryCase rotary() const { return {head, rotated, neox, false, 0}; }
};

std::vector<float> turn_of(const Case& c, uint32_t distance) {
  std::vector<float> turn;
  for (uint32_t i = 0; i < c.rotated / 2; ++i) {
    turn.push_back(static_cast<float>(std::cos(c.rotary().angle(distance, i))));
    turn.push_back(static_cast<float>(-std::sin(c.rotary().angle(distance, i))));
  }
  return turn;
}

void turn_back(const Case& c, std::vector<double>& key, uint32_t distance) {
  for (uint32_t i = 0; i < c.rotated / 2; ++i) {
    double& first = key[c.neox ? i : 2 * i];
    double& second = key[c.neox ? i + c.rotated / 2 : 2 * i + 1];
    const double angle = -c.rotary().angle(distance, i);
    const double turned = first * std::cos(angle) - second * std::sin(angle);
    second = second * std::cos(angle) + first * std::sin(angle);
    first = turned;
  }
}

/// Slot 0's pages 1 and 2 are shifted: page 1 in place, page 2 into slot 1's page 0.
void check(const Case& c, uint32_t distance, bool all_layers) {
  SCOPED_TRACE(::testing::Message() << c.kv_heads << " heads of " << c.head << ", " << c.rotated << " rotated"
                                    << (c.neox ? ", neox" : "") << (all_layers ? ", all layers" : "")
                                    << ", format " << static_cast<int>(c.format));
  TestPages pages({{0, 1, 2}, {0}}, c.kv_heads, c.head, c.format, c.format);
  TestImages images = fill_pages(pages, {3 * kPageTokens, 0}, c.kv_heads, c.head);
  const auto layer = static_cast<ptrdiff_t>(pages.blank().size() / 3);
  for (auto& [place, image] : images) {
    // The other layers hold the same numbers as the tested one.
    std::copy_n(image.begin() + layer, layer, image.begin());
    std::copy_n(image.begin(), layer, image.begin() + 2 * layer);
    pages.write(static_cast<uint32_t>(place.first), place.second, image);
  }
  const auto address = [&](uint32_t slot, uint32_t page) {
    return pages.pages().at({slot, page})->address();
  };
  const DeviceArray<PageMove> moves(
      std::vector<PageMove>{{address(0, 1), address(0, 1)}, {address(0, 2), address(1, 0)}});
  const DeviceArray<float> turn(turn_of(c, distance));
  AttentionShape shape = pages.shape(c.kv_heads);
  const uint32_t layer_bytes = shape.layer_offset;
  if (all_layers) shape.layer_offset = 0;
  run(RopeShift{shape, all_layers ? 3U : 1U, layer_bytes, c.rotated, c.neox, kKv, turn.address(),
                moves.address(), 2},
      TestBatch::of(1), {});

  EXPECT_EQ(pages.read(0, 0), images.at({0, 0}));
  EXPECT_EQ(pages.read(0, 2), images.at({0, 2}));  // the source of a move
  for (const bool copied : {false, true}) {
    const TestPages::Image& before = images.at({0, copied ? 2U : 1U});
    const TestPages::Image after = copied ? pages.read(1, 0) : pages.read(0, 1);
    const TestPages::Image untouched = copied ? pages.blank() : before;
    for (const ptrdiff_t other : {ptrdiff_t{0}, 2 * layer}) {
      const auto& expected = all_layers ? after : untouched;
      EXPECT_TRUE(std::equal(after.begin() + other, after.begin() + other + layer,
                             expected.begin() + (all_layers ? layer : other)));
    }
    for (uint32_t h = 0; h < c.kv_heads; ++h) {
      for (uint32_t row = 0; row < kPageTokens; ++row) {
        ASSERT_EQ(pages.row(after, true, h, row), pages.row(before, true, h, row)) << "values of row " << row;
        std::vector<double> key = pages.row(before, false, h, row);
        turn_back(c, key, distance);
        const std::vector<double> tolerance = pages.row_tolerance(false, key);
        const std::vector<double> got = pages.row(after, false, h, row);
        for (uint32_t d = 0; d < c.head; ++d) {
          ASSERT_NEAR(got[d], key[d], tolerance[d]) << "head " << h << ", row " << row << ", dimension " << d;
        }
      }
    }
  }
}

TEST(RopeShiftTest, EveryHeadSizeAndPairing) {
  for (const uint32_t head : {32U, 80U, 128U, 256U}) {
    for (const bool neox : {false, true}) check({.head = head, .rotated = head, .neox = neox}, 64, false);
  }
}

TEST(RopeShiftTest, PartOfAHead) {
  for (const bool neox : {false, true}) {
    for (const uint32_t rotated : {4U, 20U, 60U}) check({.rotated = rotated, .neox = neox}, 1280, false);
  }
}

TEST(RopeShiftTest, AllLayersAtAnyDistance) {
  for (const uint32_t distance : {64U, 32768U, 1U << 20})
    check({.kv_heads = 1, .neox = true}, distance, true);
}

TEST(RopeShiftTest, EveryFormat) {
  for (const plan::KvFormat format : {kQ8, kQ4}) {
    check({.head = 32, .rotated = 32, .neox = true, .format = format}, 192, false);
    check({.head = 96, .rotated = 96, .format = format}, 192, false);
    check({.head = 128, .rotated = 64, .neox = true, .format = format}, 6400, true);
  }
}

// What the kernels write at a position and shift is what they write at the earlier one, but for rounding
// twice.
TEST(RopeShiftTest, ShiftedKeysAreThoseOfTheEarlierPositions) {
  constexpr uint32_t kDistance = 99968;
  const Case c{.neox = true};
  const uint32_t row = (c.kv_heads + 2 * c.kv_heads) * c.head;
  const TestPages pages({{0, 1, kDistance / kPageTokens + 1}}, c.kv_heads, c.head);
  std::vector<Entry> later;
  std::vector<Entry> earlier;
  for (uint32_t i = 0; i < kPageTokens; ++i) {
    earlier.push_back({0, kPageTokens + i, 0, 0});
    later.push_back({0, kDistance + kPageTokens + i, 0, 0});
  }
  const std::vector<float> in = test::uniforms(size_t{kPageTokens} * row, 7, -3, 3);
  const DeviceArray<float> table(rope_table(c.rotary()));
  for (const std::vector<Entry>& entries : {earlier, later}) {
    const DeviceArray<float> qkv(in);
    run(Rope{pages.shape(c.kv_heads), qkv.range(), table.address(), 0, 0, pages.tables(), kKv, c.rotated,
             c.neox, 1e-6F, 1},
        TestBatch(entries), {kPageTokens});
  }
  const uint64_t from = pages.pages().at({0, kDistance / kPageTokens + 1})->address();
  const DeviceArray<PageMove> moves(std::vector<PageMove>{{from, pages.pages().at({0, 0})->address()}});
  const DeviceArray<float> turn(turn_of(c, kDistance));
  run(RopeShift{pages.shape(c.kv_heads), 1, 0, c.rotated, c.neox, kKv, turn.address(), moves.address(), 1},
      TestBatch::of(1), {});
  const TestPages::Image expected = pages.read(0, 1);
  const TestPages::Image got = pages.read(0, 0);
  for (size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] == kUnwritten) {
      ASSERT_EQ(got[i], kUnwritten) << i;
      continue;
    }
    const double value = double{quant::float_from_f16(expected[i])};
    // Both were rounded to f16, and the shifted one turned what had been rounded: its partner is below 5.
    ASSERT_NEAR(quant::float_from_f16(got[i]), value, (std::abs(value) + 5) * 0x1p-10) << i;
  }
}

}  // namespace
}  // namespace caldera::kernels
