// Temperatures, power and clocks as the kernel's drivers show them in sysfs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace caldera::machine {

enum class Quantity {
  kTemperature,  ///< degrees Celsius
  kPower,        ///< watts
  kClock,        ///< hertz
  kEnergy,       ///< joules: a counter that only its differences say something of
};

/// What a program computes on, as far as its sensors are concerned.
struct SensedDevice {
  std::string pci_address;  ///< "0000:c4:00.0"; empty: not known, or no PCI device
  /// It shares a package with the CPU (or is the CPU): what it has no sensor of its own for, the package's
  /// tell.
  bool in_package = false;
};

struct Sensor {
  Quantity quantity = Quantity::kTemperature;
  std::string name;        ///< "gpu edge", "cpu Tctl", "gpu PPT", "gpu sclk", "cpu package-0"
  bool of_device = false;  ///< counts as the device's
  uint64_t range = 0;      ///< of a counter: the microjoules after which it begins at 0 again; 0: never
  std::filesystem::path path;
};

struct Reading {
  std::string sensor;
  double value = 0;
  bool of_device = false;
};

/// What the sensors said at one time. Those that did not answer are missing.
struct Readings {
  std::vector<Reading> temperatures;
  std::vector<Reading> powers;
  std::vector<Reading> clocks;
  std::vector<Reading> energies;

  /// The hottest of the device's sensors: what its firmware throttles by is one of them.
  std::optional<double> celsius() const;
  std::optional<double> watts() const;  ///< the device's; on processors with graphics of the whole package
  std::optional<double> hertz() const;  ///< the device's first clock: its processors'
};

/// The sensors of a device and of the CPU's packages. Nothing here throws for what a file holds, and a file
/// that went away or cannot be read is a reading that is missing.
///
/// amdgpu (and other drivers with a hwmon device of their own) below /sys/class/drm/card*/device/hwmon; of
/// clocks that it does not show there (memory of processors with graphics) the starred line of pp_dpm_mclk.
/// CPU: hwmon devices k10temp, zenpower and coretemp, and energy counters of powercap (intel-rapl, AMD's
/// too), which mostly root alone may read. NVIDIA's driver shows nothing in sysfs. Sources: the kernel's
/// Documentation/gpu/amdgpu/thermal.rst, Documentation/hwmon/sysfs-interface.rst, k10temp.rst, coretemp.rst,
/// and Documentation/ABI/testing/sysfs-class-powercap.
class Sensors {
 public:
  Sensors() = default;
  /// Finds the sensors that answer now. `root` is "/", or a folder with copies of another machine's files.
  explicit Sensors(const SensedDevice& device, const std::filesystem::path& root = "/");

  const std::vector<Sensor>& all() const { return sensors_; }
  Readings read() const;
  /// Readings::celsius() without reading more than it needs.
  std::optional<double> celsius() const;
  /// "gpu edge, cpu Tctl", or "none": the sensors of a quantity, for messages.
  std::string names(Quantity quantity) const;

 private:
  std::vector<Sensor> sensors_;
};

}  // namespace caldera::machine
