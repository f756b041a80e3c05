#include "quant/half.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace caldera::quant {
namespace {

constexpr uint16_t kInfinity = 0x7c00;

/// The value of a non-negative finite f16 by the definition in IEEE 754.
double value_of(uint16_t half) {
  const int exponent = half >> 10;
  const int mantissa = half & 0x3ff;
  return exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(Half, EveryValueDecodes) {
  for (uint16_t half = 0; half < kInfinity; ++half) {
    ASSERT_EQ(float_from_f16(half), value_of(half)) << half;
    const float negative = float_from_f16(static_cast<uint16_t>(half | 0x8000));
    ASSERT_EQ(negative, -value_of(half)) << half;
    ASSERT_TRUE(std::signbit(negative)) << half;
  }
  EXPECT_EQ(float_from_f16(kInfinity), std::numeric_limits<float>::infinity());
  EXPECT_EQ(float_from_f16(0xfc00), -std::numeric_limits<float>::infinity());
  for (uint16_t half = kInfinity + 1; half < 0x8000; ++half)
    ASSERT_TRUE(std::isnan(float_from_f16(half))) << half;
}

TEST(Half, EveryValueSurvivesTheRoundTrip) {
  for (uint32_t half = 0; half <= 0xffff; ++half) {
    const float value = float_from_f16(static_cast<uint16_t>(half));
    const uint16_t back = f16_from_float(value);
    if (std::isnan(value)) {
      ASSERT_EQ(back, half | 0x200) << half;  // quiet, with sign and payload
    } else {
      ASSERT_EQ(back, half);
    }
  }
}

// Between each two neighbours: the middle goes to the even one, what is beside the middle to the nearer one.
TEST(Half, RoundsToNearestTiesToEven) {
  for (uint16_t low = 0; low < kInfinity; ++low) {
    const auto high = static_cast<uint16_t>(low + 1);
    // Above the largest finite value the next step, 65536, would be the neighbour.
    const double next = high == kInfinity ? 65536.0 : value_of(high);
    const auto middle = static_cast<float>((value_of(low) + next) / 2);
    const uint16_t even = low % 2 == 0 ? low : high;
    ASSERT_EQ(f16_from_float(middle), even) << low;
    ASSERT_EQ(f16_from_float(std::nextafter(middle, 0.0f)), low) << low;
    ASSERT_EQ(f16_from_float(std::nextafter(middle, 1e30f)), high) << low;
    ASSERT_EQ(f16_from_float(-middle), even | 0x8000) << low;
  }
}

TEST(Half, Extremes) {
  EXPECT_EQ(f16_from_float(std::numeric_limits<float>::max()), kInfinity);
  EXPECT_EQ(f16_from_float(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_EQ(f16_from_float(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(f16_from_float(-std::numeric_limits<float>::min()), 0x8000);
  // A NaN whose payload lies only in the bits that are dropped must not become an infinity.
  EXPECT_TRUE(std::isnan(float_from_f16(f16_from_float(std::bit_cast<float>(0x7f800001u)))));
}

TEST(Bfloat16, RoundsToNearestTiesToEven) {
  EXPECT_EQ(bf16_from_float(1.0f), 0x3f80);
  EXPECT_EQ(bf16_from_float(std::bit_cast<float>(0x3f808000u)), 0x3f80);
  EXPECT_EQ(bf16_from_float(std::bit_cast<float>(0x3f818000u)), 0x3f82);
  EXPECT_EQ(bf16_from_float(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_EQ(bf16_from_float(std::bit_cast<float>(0xbf808001u)), 0xbf81);
  EXPECT_EQ(bf16_from_float(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(bf16_from_float(std::bit_cast<float>(0x00000001u)), 0);
  EXPECT_TRUE(std::isnan(float_from_bf16(bf16_from_float(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_TRUE(std::isnan(float_from_bf16(bf16_from_float(std::bit_cast<float>(0xffffffffu)))));
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const float value = float_from_bf16(static_cast<uint16_t>(bits));
    if (!std::isnan(value)) {
      ASSERT_EQ(bf16_from_float(value), bits);
    }
  }
}

}  // namespace
}  // namespace caldera::quant
