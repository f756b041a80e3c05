// What the sensors of the machine say, for /metrics and /v1/status.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>

#include "machine/cooling.hpp"
#include "machine/monitor.hpp"
#include "server/metrics.hpp"

namespace caldera::server {

/// Safe from any thread.
class MachineReport {
 public:
  /// `cooling` is null where work is not paced by temperature.
  MachineReport(machine::Sensors sensors, std::shared_ptr<const machine::Cooling> cooling);

  /// "machine" of /v1/status: temperature_celsius, power_watts, clock_mhz and energy_joules of the device;
  /// temperatures_celsius of every sensor; with a limit, max_temperature_celsius and rested_seconds. What is
  /// not known is missing.
  nlohmann::ordered_json json() const;
  /// caldera_temperature_celsius, caldera_power_watts and caldera_clock_hertz of every sensor,
  /// caldera_energy_joules_total of the device, and caldera_rested_seconds_total.
  void write(MetricsText& text) const;

 private:
  machine::Monitor monitor_;
  std::shared_ptr<const machine::Cooling> cooling_;
};

}  // namespace caldera::server
