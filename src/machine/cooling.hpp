// How work is paced so that a device stays below a temperature: its firmware then never has to throttle it.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>

#include "machine/sensors.hpp"

namespace caldera::machine {

/// A temperature in degrees Celsius, and how fast it rises, in degrees a second.
struct Heat {
  double celsius = 0;
  double trend = 0;
};

/// The share of the time in which a device may work: 1 while it will be more than 5 degrees below `limit` in
/// half a second if it goes on like this, then in proportion to what is left of them, and never less than
/// 0.05. So it settles below the limit wherever a twentieth of the work does not heat it beyond.
double working_share(const Heat& heat, double limit);

/// Seconds to rest after so many seconds of work, to have worked for that share of the time; 5 at most, so
/// that work never stops for long.
double rest_after(double worked, double share);

/// What a Cooling did.
struct CoolingReport {
  double limit = 0;               ///< degrees Celsius
  std::optional<double> celsius;  ///< when it was asked last, if the sensor answered
  uint64_t rests = 0;
  double rested = 0;  ///< seconds of them all
};

/// Follows a temperature, with shares that change slowly: the die follows them within a second, and would
/// swing with shares that followed it as fast. Safe from any thread.
class Cooling {
 public:
  Cooling(Sensors sensors, double limit) : sensors_(std::move(sensors)) { report_.limit = limit; }

  /// Reads the sensors of the device. Seconds that it is to rest after so many seconds of work.
  double rest(double worked);
  /// As above for what the sensors said at a time in seconds. A sensor that does not answer for longer than 5
  /// seconds counts as at the limit.
  double rest(double worked, std::optional<double> celsius, double now);

  CoolingReport report() const;

 private:
  using Clock = std::chrono::steady_clock;

  const Sensors sensors_;
  const Clock::time_point began_ = Clock::now();
  mutable std::mutex mutex_;
  CoolingReport report_;
  std::optional<double> smooth_;  ///< the temperature, averaged
  double share_ = 1;
  double last_ = 0;     ///< the last that was read
  double read_at_ = 0;  ///< when
  double asked_at_ = 0;
};

}  // namespace caldera::machine
