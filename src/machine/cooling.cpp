#include "machine/cooling.hpp"

#include <algorithm>
#include <cmath>

namespace caldera::machine {
namespace {

constexpr double kBand = 5;           // degrees below the limit in which work is paced
constexpr double kAhead = 0.5;        // seconds that the trend is followed into the future
constexpr double kSteepest = 3;       // degrees a second: more is a jump, and no trend
constexpr double kLeastShare = 0.05;  // of the time is worked whatever the sensor says
constexpr double kLongestRest = 5;    // seconds
constexpr double kDelay = 2;          // seconds that temperatures are averaged over for the trend
constexpr double kLessWithin = 1.5;   // seconds in which a share follows when it falls
constexpr double kMoreWithin = 4;     // and when it rises
constexpr double kForgotten = 5;      // seconds after which a reading is none any more
constexpr double kWhole = 0.99;       // a share that is not worth a rest

/// How much of its way a value has gone after so long.
double followed(double seconds, double delay) {
  return 1 - std::exp(-seconds / delay);
}

}  // namespace

double working_share(const Heat& heat, double limit) {
  const double soon = heat.celsius + kAhead * std::clamp(heat.trend, -kSteepest, kSteepest);
  return std::clamp((limit - soon) / kBand, kLeastShare, 1.0);
}

double rest_after(double worked, double share) {
  return std::min(kLongestRest, std::max(0.0, worked) * (1 / std::clamp(share, kLeastShare, 1.0) - 1));
}

double Cooling::rest(double worked) {
  const std::optional<double> celsius = sensors_.celsius();
  const std::chrono::duration<double> now = Clock::now() - began_;
  return rest(worked, celsius, now.count());
}

double Cooling::rest(double worked, std::optional<double> celsius, double now) {
  const std::scoped_lock lock(mutex_);
  report_.celsius = celsius;
  if (celsius) {
    last_ = *celsius;
    read_at_ = now;
  } else if (!smooth_ || now - read_at_ > kForgotten) {
    last_ = report_.limit;
  }
  const bool first = !smooth_;
  if (first) smooth_ = last_;
  const double passed = std::max(0.0, now - asked_at_);
  asked_at_ = now;
  // The derivative of an exponential average: (value - average) / delay.
  const Heat heat{last_, (last_ - *smooth_) / kDelay};
  *smooth_ += followed(passed, kDelay) * (last_ - *smooth_);
  const double target = working_share(heat, report_.limit);
  share_ += first ? target - share_
                  : followed(passed, target < share_ ? kLessWithin : kMoreWithin) * (target - share_);
  if (share_ > kWhole) share_ = 1;
  const double seconds = rest_after(worked, share_);
  if (seconds > 0) {
    ++report_.rests;
    report_.rested += seconds;
  }
  return seconds;
}

CoolingReport Cooling::report() const {
  const std::scoped_lock lock(mutex_);
  return report_;
}

}  // namespace caldera::machine
