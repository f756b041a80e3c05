#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "each_format.hpp"

namespace caldera::quant {
namespace {

/// The largest error that encoding may make, in units of the largest weight of a block: half a step (a whole
/// step where a range is a step shorter at one end), with a step as large as the coarseness of the
/// sub-blocks' scales makes it.
double tolerance(Format format) {
  const std::map<Format, double> kTolerance = {
      {Format::kF32, 0},
      {Format::kF16, 0x1p-11},
      {Format::kBF16, 0x1p-8},
      {Format::kQ4_0, 1.0 / 8},
      {Format::kQ4_1, 1.0 / 15},
      {Format::kQ5_0, 1.0 / 16},
      {Format::kQ5_1, 1.0 / 31},
      {Format::kQ8_0, 1.0 / 254},
      {Format::kQ2_K, 0.37},
      {Format::kQ3_K, 0.26},
      {Format::kQ4_K, 0.07},
      {Format::kQ5_K, 0.034},
      {Format::kQ6_K, 0.032},
      // From 113 to 127; the gap from 8 to 12, for a largest weight of 10
      {Format::kIQ4_NL, 0.111},
      {Format::kIQ4_XS, 0.115},
      {Format::kMXFP4, 0.2},
      // Vectors that are no entry, and signs that cannot be had: what is seen, and a little
      {Format::kIQ1_S, 1.3},
      {Format::kIQ1_M, 1.4},
      {Format::kIQ2_XXS, 1.2},
  };
  // f16 scales are rounded up, by 2^-10 at most or to the next subnormal.
  return kTolerance.at(format) * (1 + 0x1p-9);
}

/// What the next subnormal scale makes of that: a weight is half a step, or half a gap of the table, away.
double least_step(Format format) {
  return format == Format::kIQ4_NL || format == Format::kIQ4_XS ? 7 * 0x1p-23 : 0x1p-23;
}

std::vector<double> round_trip(Format format, const std::vector<float>& weights) {
  std::vector<std::byte> bytes(bytes_for(format, weights.size()));
  encode(format, weights, bytes);
  std::vector<double> decoded(weights.size());
  decode(format, bytes, decoded);
  return decoded;
}

class Encode : public ::testing::TestWithParam<FormatInfo> {
 protected:
  void expect_close(const std::vector<float>& weights, const std::string& what) const {
    const std::vector<double> decoded = round_trip(GetParam().format, weights);
    const size_t block = GetParam().block_elements;
    for (size_t start = 0; start < weights.size(); start += block) {
      double largest = 0;
      for (size_t i = start; i < start + block; ++i)
        largest = std::max(largest, std::abs(double{weights[i]}));
      for (size_t i = start; i < start + block; ++i) {
        const double allowed = GetParam().format == Format::kF32
                                   ? 0.0
                                   : tolerance(GetParam().format) * largest + least_step(GetParam().format);
        ASSERT_LE(std::abs(decoded[i] - double{weights[i]}), allowed)
            << what << ": weight " << i << " is " << weights[i] << " and came back as " << decoded[i];
      }
    }
  }
};

TEST_P(Encode, KeepsWeightsWithinAStep) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  const std::map<std::string, std::function<float(size_t)>> kinds = {
      {"zeros", [](size_t) { return 0.0f; }},
      {"constant", [](size_t) { return 0.37f; }},
      {"negative constant", [](size_t) { return -12.3f; }},
      {"one outlier", [](size_t i) { return i % 512 == 77 ? 1000.0f : 0.01f; }},
      {"one negative outlier", [](size_t i) { return i % 512 == 300 ? -1000.0f : 0.01f; }},
      {"float denormals", [](size_t i) { return 1e-41f * static_cast<float>(i % 9); }},
      {"below f16's subnormals", [](size_t i) { return i % 2 == 0 ? 1e-9f : -1e-9f; }},
      {"f16 subnormals", [&](size_t) { return 1e-6f * normal(random); }},
      {"large", [](size_t i) { return i % 3 == 0 ? 60000.0f : -60000.0f; }},
      {"alternating", [](size_t i) { return i % 2 == 0 ? 1.0f : -1.0f; }},
      {"ramp", [](size_t i) { return 0.01f * static_cast<float>(i) - 3.0f; }},
      {"far from zero", [&](size_t) { return 100.0f + normal(random); }},
      {"normal", [&](size_t) { return 0.02f * normal(random); }},
      {"heavy tails", [&](size_t) { return std::pow(normal(random), 5.0f); }},
  };
  for (const auto& [what, weight] : kinds) {
    std::vector<float> weights(2048);
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = weight(i);
    expect_close(weights, what);
  }
}

TEST_P(Encode, ZerosStayZero) {
  for (const double value : round_trip(GetParam().format, std::vector<float>(512))) ASSERT_EQ(value, 0);
}

INSTANTIATE_TEST_SUITE_P(Formats, Encode, every_format(), format_name);

// A grid bounds single weights badly; what it is for is a small error on the whole.
TEST(EncodeGrids, KeepMostOfNormalWeights) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 0.02F);
  std::vector<float> weights(size_t{256} * 64);
  for (float& weight : weights) weight = normal(random);
  const std::map<Format, double> kError = {
      {Format::kIQ1_S, 0.42}, {Format::kIQ1_M, 0.36}, {Format::kIQ2_XXS, 0.19}};
  for (const auto& [format, most] : kError) {
    const std::vector<double> decoded = round_trip(format, weights);
    double error = 0;
    double squares = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      error += std::pow(decoded[i] - double{weights[i]}, 2);
      squares += std::pow(double{weights[i]}, 2);
    }
    EXPECT_LE(error / squares, most) << info(format).name;
  }
}

TEST(EncodePlain, KeepsWhatTheFormatHolds) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> weights = {kInfinity, -kInfinity, -0.0f};
  for (int i = -32; i < 32; ++i) weights.push_back(static_cast<float>(i));
  for (const Format format : {Format::kF32, Format::kF16, Format::kBF16}) {
    const auto decoded = round_trip(format, weights);
    for (size_t i = 0; i < weights.size(); ++i) ASSERT_EQ(decoded[i], weights[i]) << info(format).name;
    ASSERT_TRUE(std::signbit(decoded[2]));
    ASSERT_TRUE(std::isnan(round_trip(format, {std::nanf("")})[0]));
  }
}

TEST(EncodeBlocks, MakesFiniteWeightsOfAnything) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> awkward = {kInfinity, -kInfinity, std::nanf(""), 3e38f, -3e38f,
                                      0.0f,      -0.0f,      1.0f,          1e-45f};
  std::mt19937 random(11);
  std::vector<float> mixed(4096);
  for (float& weight : mixed) weight = awkward[random() % awkward.size()];
  std::vector<float> any_bits(4096);
  for (float& weight : any_bits) weight = std::bit_cast<float>(static_cast<uint32_t>(random()));
  for (const FormatInfo& row : formats()) {
    if (row.block_elements == 1) continue;
    for (const double value : round_trip(row.format, mixed)) ASSERT_TRUE(std::isfinite(value)) << row.name;
    for (const double value : round_trip(row.format, any_bits)) ASSERT_TRUE(std::isfinite(value)) << row.name;
  }
}

}  // namespace
}  // namespace caldera::quant
