#include "machine/cooling.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <random>

namespace caldera::test {
namespace {

using machine::Cooling;
using machine::rest_after;
using machine::working_share;

TEST(Cooling, BeginsAFewDegreesBelowTheLimit) {
  EXPECT_EQ(working_share({70, 0}, 80), 1);
  EXPECT_EQ(working_share({75, 0}, 80), 1);
  EXPECT_DOUBLE_EQ(working_share({77.5, 0}, 80), 0.5);
  EXPECT_DOUBLE_EQ(working_share({80, 0}, 80), 0.05);
  EXPECT_DOUBLE_EQ(working_share({500, 0}, 80), 0.05) << "work never stops";
  EXPECT_LT(working_share({76, 0.5}, 80), working_share({76, 0}, 80)) << "rising";
  EXPECT_GT(working_share({79, -0.5}, 80), working_share({79, 0}, 80)) << "falling";
}

TEST(Cooling, RestsInProportionToWorkAndNotForLong) {
  EXPECT_EQ(rest_after(0.1, 1), 0);
  EXPECT_DOUBLE_EQ(rest_after(0.1, 0.5), 0.1);
  EXPECT_NEAR(rest_after(0.1, 0), 1.9, 1e-9);
  EXPECT_EQ(rest_after(10, 0.05), 5);
  EXPECT_EQ(rest_after(-1, 0.05), 0);
}

TEST(Cooling, TakesASensorThatFallsSilentAsAtTheLimit) {
  Cooling cooling({}, 80);
  EXPECT_EQ(cooling.rest(0.1, 60, 0), 0);
  EXPECT_EQ(cooling.rest(0.1, std::nullopt, 3), 0) << "for a moment the last counts";
  EXPECT_GT(cooling.rest(0.1, std::nullopt, 10), 0);
  EXPECT_FALSE(cooling.report().celsius);
  EXPECT_EQ(cooling.report().rests, 1U);
  for (int i = 0; i < 20; ++i) cooling.rest(0.1, 60, 11 + i);
  EXPECT_EQ(cooling.rest(0.1, 60, 40), 0);
  Cooling never({}, 80);
  EXPECT_GT(never.rest(0.1, std::nullopt, 0), 0);
}

/// A die on a heat sink: both warm up towards what the power makes of them, the die within a second or so.
struct Body {
  double ambient = 40;
  double sink_rise = 30;  ///< degrees over the ambient at full power
  double die_rise = 20;   ///< over the sink
  double sink_delay = 60;
  double die_delay = 1;
  double sink = 0;
  double die = 0;

  void pass(double seconds, double power) {
    sink += (1 - std::exp(-seconds / sink_delay)) * (sink_rise * power - sink);
    die += (1 - std::exp(-seconds / die_delay)) * (die_rise * power - die);
  }
  double celsius() const { return ambient + sink + die; }
};

/// What a sensor says: whole degrees, of a fifth of a second ago, a little off.
class Thermometer {
 public:
  double read(double celsius) {
    past_.push_back(celsius);
    if (past_.size() > 3) past_.pop_front();
    return std::round(past_.front() + std::normal_distribution<double>(0, 0.3)(random_));
  }

 private:
  std::mt19937 random_{1};
  std::deque<double> past_;
};

struct Course {
  double hottest = 0;    ///< after the first minutes
  double coolest = 1e9;  ///< as above
  double hottest_ever = 0;
  double share = 0;        ///< of time worked, after the first minutes
  double least_share = 1;  ///< in any ten seconds
  double most_share = 0;   ///< as above, after the first minutes
};

/// Works for ten minutes at full power whenever it may.
Course work(Body body, double limit) {
  constexpr double kSlice = 0.05;
  constexpr double kIdle = 0.1;  // power
  constexpr double kSettled = 240;
  Cooling cooling({}, limit);
  Thermometer thermometer;
  Course course;
  double now = 0;
  double worked = 0;
  double settled_time = 0;
  double window_work = 0;
  double window_begin = 0;
  while (now < 600) {
    body.pass(kSlice, 1);
    now += kSlice;
    course.hottest_ever = std::max(course.hottest_ever, body.celsius());
    if (now > kSettled) course.hottest = std::max(course.hottest, body.celsius());
    const double rest = cooling.rest(kSlice, thermometer.read(body.celsius()), now);
    body.pass(rest, kIdle);
    now += rest;
    window_work += kSlice;
    if (now > kSettled) {
      course.coolest = std::min(course.coolest, body.celsius());
      worked += kSlice;
      settled_time += kSlice + rest;
    }
    if (now - window_begin >= 10) {
      const double share = window_work / (now - window_begin);
      course.least_share = std::min(course.least_share, share);
      if (now > kSettled) course.most_share = std::max(course.most_share, share);
      window_begin = now;
      window_work = 0;
    }
  }
  course.share = worked / settled_time;
  return course;
}

TEST(Cooling, LeavesWorkAloneThatStaysCool) {
  const Course course = work(Body{.ambient = 20}, 80);  // up to 70 degrees
  EXPECT_NEAR(course.share, 1, 1e-6);
  EXPECT_NEAR(course.least_share, 1, 1e-6);
}

TEST(Cooling, SettlesBelowTheLimitWithoutSwinging) {
  for (const double limit : {60.0, 70.0, 80.0, 85.0}) {
    for (const double die_delay : {0.3, 1.0, 4.0}) {
      SCOPED_TRACE(testing::Message() << "limit " << limit << ", delay " << die_delay);
      const Course course = work(Body{.die_delay = die_delay}, limit);  // 90 degrees, left alone
      EXPECT_LE(course.hottest, limit);
      EXPECT_LE(course.hottest_ever, limit);
      EXPECT_GE(course.coolest, limit - 7) << "no colder than it must be";
      EXPECT_LT(course.most_share - course.least_share, 0.1);
      EXPECT_GT(course.share, 0.1);
      EXPECT_LT(course.share, 1);
    }
  }
}

TEST(Cooling, CatchesWhatIsHotAlready) {
  const Course course = work(Body{.sink = 30}, 75);  // the die alone would take it to 90 within seconds
  EXPECT_LE(course.hottest_ever, 75 + 5);
  EXPECT_LE(course.hottest, 75);
}

TEST(Cooling, GoesOnWhereTheLimitCannotBeKept) {
  const Course course = work(Body{.ambient = 90}, 80);
  EXPECT_GT(course.least_share, 0.04);
  EXPECT_LT(course.share, 0.06);
}

}  // namespace
}  // namespace caldera::test
