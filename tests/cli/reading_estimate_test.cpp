// The time left of a prompt, against devices whose speed is known.
#include "cli/reading_estimate.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace caldera::cli {
namespace {

/// A device that reads a token at depth d in a + b d seconds, in pieces, with `noise` either way.
struct Device {
  double a;
  double b;
  double noise = 0;
  double first_piece = 0;  ///< seconds more
  uint64_t piece = 512;

  double truth(double from, double to) const { return a * (to - from) + b * (to * to - from * from) / 2; }
};

/// Feeds the reading of tokens [before, before + total) up to `share` of it; the estimate and the truth.
struct Outcome {
  std::optional<double> left;
  double truth;
  double straight;  ///< what going on in a straight line would promise
};
Outcome read(const Device& device, uint64_t before, uint64_t total, double share,
             uint64_t slow_piece = UINT64_MAX) {
  ReadingEstimate estimate(before, total);
  std::mt19937 random(7);
  double seconds = 0;
  uint64_t done = 0;
  estimate.add(0, 0);
  for (uint64_t i = 0; static_cast<double>(done) < share * static_cast<double>(total); ++i) {
    const uint64_t next = std::min(total, done + device.piece);
    const double exact = device.truth(static_cast<double>(before + done), static_cast<double>(before + next));
    const double jitter = (static_cast<double>(random() % 2001) / 1000 - 1) * device.noise;
    seconds += exact * (1 + jitter) * (i == slow_piece ? 10 : 1) + (i == 0 ? device.first_piece : 0);
    done = next;
    estimate.add(done, seconds);
  }
  return {estimate.seconds_left(),
          device.truth(static_cast<double>(before + done), static_cast<double>(before + total)),
          seconds / static_cast<double>(done) * static_cast<double>(total - done)};
}

TEST(ReadingEstimateTest, SaysNothingAtFirst) {
  ReadingEstimate estimate(0, 100000);
  EXPECT_FALSE(estimate.seconds_left());
  for (uint64_t i = 0; i < 6; ++i) {
    estimate.add(512 * i, static_cast<double>(i));
    EXPECT_FALSE(estimate.seconds_left()) << i;
  }
}

TEST(ReadingEstimateTest, KnowsThatDepthCosts) {
  // At 100 000 tokens attention takes five times what the weights do.
  const Device device{.a = 1e-3, .b = 5e-8, .noise = 0.05, .first_piece = 4};
  for (const double share : {0.1, 0.2, 0.5, 0.9}) {
    const Outcome outcome = read(device, 0, 100000, share);
    ASSERT_TRUE(outcome.left) << share;
    EXPECT_NEAR(*outcome.left, outcome.truth, outcome.truth * (share < 0.15 ? 0.25 : 0.1)) << share;
  }
  const Outcome early = read(device, 0, 100000, 0.2);
  EXPECT_LT(early.straight, 0.6 * early.truth);  // what it is good for
}

TEST(ReadingEstimateTest, ATokenOfConstantCost) {
  const Outcome outcome = read({.a = 2e-3, .b = 0, .noise = 0.02}, 0, 100000, 0.3);
  ASSERT_TRUE(outcome.left);
  EXPECT_NEAR(*outcome.left, outcome.truth, outcome.truth * 0.1);
}

TEST(ReadingEstimateTest, BehindALongPrefix) {
  const Outcome outcome = read({.a = 1e-3, .b = 5e-8, .noise = 0.02}, 60000, 40000, 0.3);
  ASSERT_TRUE(outcome.left);
  EXPECT_NEAR(*outcome.left, outcome.truth, outcome.truth * 0.15);
}

TEST(ReadingEstimateTest, OneSlowPieceIsForgotten) {
  const Outcome outcome = read({.a = 1e-3, .b = 5e-8, .noise = 0.02}, 0, 131072, 0.9, 20);
  ASSERT_TRUE(outcome.left);
  EXPECT_NEAR(*outcome.left, outcome.truth, outcome.truth * 0.1);
}

TEST(ReadingEstimateTest, SilentWhereNothingCanBeKnown) {
  EXPECT_FALSE(read({.a = 1e-3, .b = 5e-8, .noise = 0.95}, 0, 100000, 0.08).left);
}

TEST(ReadingEstimateTest, InWords) {
  EXPECT_EQ(describe_reading(0, 10, 0, std::nullopt), "0 of 10 tokens");
  EXPECT_EQ(describe_reading(500, 1000, 2, std::nullopt), "500 of 1000 tokens, 250 tokens/s");
  EXPECT_EQ(describe_reading(5, 1000, 2, 199.5), "5 of 1000 tokens, 2.5 tokens/s, about 3 min 20 s left");
  EXPECT_EQ(human_seconds(0.2), "1 s");
  EXPECT_EQ(human_seconds(3900), "1 h 5 min");
  EXPECT_EQ(human_seconds(HUGE_VAL), "99 h 59 min");
}

}  // namespace
}  // namespace caldera::cli
