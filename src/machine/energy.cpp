#include "machine/energy.hpp"

#include <algorithm>

namespace caldera::machine {

std::optional<double> EnergyMeter::counted(const Sensors& sensors, const Readings& readings) {
  std::optional<double> joules;
  std::map<std::string, double> now;
  for (const Reading& reading : readings.energies) {
    if (!reading.of_device) continue;
    now[reading.sensor] = reading.value;
    const auto before = counters_.find(reading.sensor);
    if (before == counters_.end()) continue;
    double difference = reading.value - before->second;
    if (difference < 0) {
      const auto sensor = std::ranges::find(sensors.all(), reading.sensor, &Sensor::name);
      const double range = sensor == sensors.all().end() ? 0 : static_cast<double>(sensor->range) * 1e-6;
      difference = std::max(0.0, difference + range);
    }
    joules = joules.value_or(0) + difference;
  }
  counters_ = std::move(now);
  return joules;
}

void EnergyMeter::add(const Sensors& sensors, const Readings& readings, double seconds) {
  const double passed = std::max(0.0, seconds - last_seconds_);
  last_seconds_ = seconds;
  const std::optional<double> power = readings.watts();
  const std::optional<double> counted_joules = counted(sensors, readings);
  std::optional<double> joules;
  if (power) {
    if (last_power_) joules = (*last_power_ + *power) / 2 * passed;
    if (!total_) total_.emplace();
  } else {
    joules = counted_joules;
    if (!total_ && !counters_.empty()) total_.emplace();
  }
  last_power_ = power;
  watts_ = power;
  if (!joules || !total_) return;
  total_->joules += *joules;
  total_->seconds += passed;
  if (!power && passed > 0) watts_ = *joules / passed;
}

}  // namespace caldera::machine
