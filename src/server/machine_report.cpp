#include "server/machine_report.hpp"

#include <chrono>
#include <utility>

namespace caldera::server {
namespace {

/// Sensors of processors average over about as long.
constexpr std::chrono::milliseconds kPeriod{1000};

void write_family(MetricsText& text, const char* name, const char* help,
                  const std::vector<machine::Reading>& readings) {
  if (readings.empty()) return;
  text.family(name, "gauge", help);
  for (const machine::Reading& reading : readings) text.value(reading.value, {{"sensor", reading.sensor}});
}

}  // namespace

MachineReport::MachineReport(machine::Sensors sensors, std::shared_ptr<const machine::Cooling> cooling)
    : monitor_(std::move(sensors), kPeriod), cooling_(std::move(cooling)) {}

nlohmann::ordered_json MachineReport::json() const {
  const machine::MachineState state = monitor_.state();
  auto json = nlohmann::ordered_json::object();
  if (state.celsius) json["temperature_celsius"] = *state.celsius;
  if (state.watts) json["power_watts"] = *state.watts;
  if (state.hertz) json["clock_mhz"] = *state.hertz / 1e6;
  if (state.energy) json["energy_joules"] = state.energy->joules;
  for (const machine::Reading& reading : state.readings.temperatures)
    json["temperatures_celsius"][reading.sensor] = reading.value;
  if (cooling_ != nullptr) {
    const machine::CoolingReport report = cooling_->report();
    json["max_temperature_celsius"] = report.limit;
    json["rested_seconds"] = report.rested;
  }
  return json;
}

void MachineReport::write(MetricsText& text) const {
  machine::MachineState state = monitor_.state();
  write_family(text, "caldera_temperature_celsius", "Temperatures of the device and of processors.",
               state.readings.temperatures);
  // Power that is known by counters of energy alone.
  if (state.readings.powers.empty() && state.watts)
    state.readings.powers.push_back({"device", *state.watts, true});
  write_family(text, "caldera_power_watts", "Power of the device.", state.readings.powers);
  write_family(text, "caldera_clock_hertz", "Clocks of the device.", state.readings.clocks);
  if (state.energy) {
    text.single("caldera_energy_joules_total", "counter", "Energy that the device took since the start.",
                state.energy->joules);
  }
  if (cooling_ != nullptr) {
    text.single("caldera_rested_seconds_total", "counter", "Time that work was held back to stay cool.",
                cooling_->report().rested);
  }
}

}  // namespace caldera::server
