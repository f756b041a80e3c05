// A thread that reads sensors now and then.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "machine/energy.hpp"
#include "machine/sensors.hpp"

namespace caldera::machine {

/// What is known of the machine at one time.
struct MachineState {
  Readings readings;
  std::optional<double> celsius;  ///< see Readings
  std::optional<double> watts;
  std::optional<double> hertz;
  std::optional<Energy> energy;  ///< since the monitor began
};

/// Safe from any thread. A sensor that takes long to answer holds up the monitor alone, and not who asks it.
class Monitor {
 public:
  /// Reads once, and then every `period` until it ends. Without sensors there is no thread.
  Monitor(Sensors sensors, std::chrono::milliseconds period);
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  const Sensors& sensors() const { return sensors_; }
  /// As of the last reading.
  MachineState state() const;
  /// Reads once more, by the caller: what was used up to now counts.
  MachineState read_now();

 private:
  using Clock = std::chrono::steady_clock;
  void run();

  const Sensors sensors_;
  const std::chrono::milliseconds period_;
  const Clock::time_point began_ = Clock::now();
  std::mutex reading_;  ///< one at a time, so that times do not go back
  mutable std::mutex mutex_;
  std::condition_variable ending_;
  bool ended_ = false;
  EnergyMeter meter_;
  MachineState state_;
  std::thread thread_;
};

}  // namespace caldera::machine
