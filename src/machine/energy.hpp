// How much energy a device takes, added up from what its sensors say now and then.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "machine/sensors.hpp"

namespace caldera::machine {

/// Energy since the first reading, and the time that it was added up over.
struct Energy {
  double joules = 0;
  double seconds = 0;
  std::optional<double> watts() const { return seconds > 0 ? std::optional(joules / seconds) : std::nullopt; }
};

/// Where the device tells its power, that is added up by trapezoids; else differences of its energy counters
/// count, which may begin at 0 again once between two readings.
class EnergyMeter {
 public:
  /// `counters`: the sensors that `readings` come from, for the ranges of counters. `seconds` is a time that
  /// does not go back.
  void add(const Sensors& sensors, const Readings& readings, double seconds);

  /// Nothing where power is not known; zeros after one reading.
  std::optional<Energy> total() const { return total_; }
  /// Between the last two readings.
  std::optional<double> watts_now() const { return watts_; }

 private:
  /// Joules since the last reading, from counters; nothing where none answered both times.
  std::optional<double> counted(const Sensors& sensors, const Readings& readings);

  std::optional<Energy> total_;
  std::optional<double> watts_;
  std::optional<double> last_power_;
  double last_seconds_ = 0;
  std::map<std::string, double> counters_;  ///< joules of each at the last reading
};

}  // namespace caldera::machine
