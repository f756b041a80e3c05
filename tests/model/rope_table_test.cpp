// Rotary frequencies against the formulas of Hugging Face's transformers (modeling_rope_utils.py), worked out
// for the parameters of published models.
#include "model/rope_table.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "kernels/state.hpp"

namespace caldera::model {
namespace {

TEST(RopeFrequencyTest, Plain) {
  const std::vector<double> frequencies = rope_frequencies({.rotated = 8, .base = 10000}, {});
  ASSERT_EQ(frequencies.size(), 4U);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(frequencies[i], std::pow(10.0, -static_cast<double>(i)), 1e-15);
  EXPECT_EQ(rope_magnitude({.rotated = 8}), 1);
}

TEST(RopeFrequencyTest, LinearDividesPositions) {
  const RopeSpec rope{.rotated = 4, .base = 10000, .scaling = RopeScaling::kLinear, .factor = 4};
  const std::vector<double> frequencies = rope_frequencies(rope, {});
  EXPECT_DOUBLE_EQ(frequencies[0], 0.25);
  EXPECT_DOUBLE_EQ(frequencies[1], 0.0025);
  EXPECT_EQ(rope_magnitude(rope), 1);
}

// Llama 3.1: heads of 128, base 500000, factor 8, low_freq_factor 1, high_freq_factor 4, original context
// 8192. With f the plain frequency and w = 2 pi / f: f if w < 8192 / 4, f / 8 if w > 8192 / 1, and between
// them (1 - s) f / 8 + s f with s = (8192 / w - 1) / (4 - 1). Converters store f divided by that as
// rope_freqs.weight, f32.
TEST(RopeFrequencyTest, Llama3Factors) {
  std::vector<float> factors(64);
  for (uint32_t i = 0; i < 64; ++i) {
    const double length = 2 * std::numbers::pi * std::pow(500000.0, i / 64.0);
    const double smooth = (8192 / length - 1) / 3;
    const double kept = length < 2048 ? 1 : length > 8192 ? 0.125 : (1 - smooth) / 8 + smooth;
    factors[i] = static_cast<float>(1 / kept);
  }
  EXPECT_EQ(factors[0], 1);
  EXPECT_EQ(factors[63], 8);
  const std::vector<double> frequencies = rope_frequencies({.rotated = 128, .base = 500000}, factors);
  const std::pair<size_t, double> expected[] = {{0, 1},
                                                {28, 0.003211445994752591},
                                                {29, 0.002166570763503359},
                                                {30, 0.0013718935677611381},
                                                {32, 0.0005248461609929547},
                                                {35, 9.556212353964683e-05},
                                                {40, 3.428102195952591e-05},
                                                {63, 3.068925988914511e-07}};
  for (const auto& [pair, frequency] : expected) {
    EXPECT_NEAR(frequencies[pair], frequency, frequency * 1e-7) << "pair " << pair;  // the factors are f32
  }
}

// Qwen2.5 with YaRN as its README gives it: heads of 128, base 1e6, factor 4, original context 32768, betas
// 32 and 1. Pair of r rotations: 128 ln(32768 / (2 pi r)) / (2 ln 1e6): 23.6 for 32, 39.7 for 1; so pairs up
// to 23 keep their frequency, from 40 on it is divided by 4, and between them the share (i - 23) / 17 of it
// is.
TEST(RopeFrequencyTest, Yarn) {
  const RopeSpec rope{
      .rotated = 128, .base = 1e6, .scaling = RopeScaling::kYarn, .factor = 4, .original_context = 32768};
  const std::vector<double> frequencies = rope_frequencies(rope, {});
  const std::pair<size_t, double> expected[] = {{0, 1},
                                                {23, 0.0069783058486},
                                                {24, 0.00537532149079},
                                                {31, 0.000802959727545},
                                                {39, 6.49039432084e-05},
                                                {40, 4.4456985251e-05},
                                                {63, 3.10234440188e-07}};
  for (const auto& [pair, frequency] : expected) {
    EXPECT_NEAR(frequencies[pair], frequency, frequency * 1e-11) << "pair " << pair;
  }
  EXPECT_NEAR(rope_magnitude(rope), 1.138629436111989, 1e-14);  // 1 + 0.1 ln 4
}

TEST(RopeFrequencyTest, YarnsOwnFactors) {
  RopeSpec rope{.rotated = 64, .scaling = RopeScaling::kYarn, .factor = 16, .original_context = 4096};
  rope.attention_factor = 0.5;
  EXPECT_NEAR(rope_magnitude(rope), 0.5 * (1 + 0.1 * std::log(16.0)), 1e-14);
  rope.extrapolation = 0;  // plain interpolation
  EXPECT_NEAR(rope_magnitude(rope), 0.5, 1e-14);
  const std::vector<double> frequencies = rope_frequencies(rope, {});
  for (size_t i = 0; i < frequencies.size(); ++i) {
    EXPECT_NEAR(frequencies[i], std::pow(10000.0, -static_cast<double>(i) / 32) / 16, 1e-12);
  }
}

TEST(RopeTableTest, ComposesToEveryAngle) {
  const RopeSpec rope{
      .rotated = 16, .base = 10000, .scaling = RopeScaling::kYarn, .factor = 8, .original_context = 1024};
  constexpr uint32_t kContext = 131072;
  const std::vector<float> table = rope_table(rope, {}, kContext);
  const std::vector<double> frequencies = rope_frequencies(rope, {});
  ASSERT_EQ(table.size(), (kernels::kRopeFineRows + kContext / kernels::kRopeFineRows + 1) * size_t{16});
  const double magnitude = rope_magnitude(rope);
  for (const uint32_t position : {0U, 1U, 255U, 256U, 257U, 1000U, 65535U, 131071U, 131072U}) {
    for (size_t i = 0; i < 8; ++i) {
      const float* fine = &table[(position % 256 * 8 + i) * 2];
      const float* coarse = &table[((256 + position / 256) * 8 + i) * 2];
      const double angle = position * frequencies[i];
      // Two factors, each rounded to f32.
      EXPECT_NEAR(double{coarse[0]} * fine[0] - double{coarse[1]} * fine[1], magnitude * std::cos(angle),
                  3e-7);
      EXPECT_NEAR(double{coarse[1]} * fine[0] + double{coarse[0]} * fine[1], magnitude * std::sin(angle),
                  3e-7);
    }
  }
}

TEST(RopeTableTest, CoversShortContexts) {
  for (const uint32_t context : {1U, 255U, 256U}) {
    EXPECT_EQ(rope_table({.rotated = 4}, {}, context).size(), (256 + context / 256 + 1) * 4U);
  }
}

}  // namespace
}  // namespace caldera::model
