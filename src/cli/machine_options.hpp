// What commands that compute have to do with the machine's sensors: --max-temperature, and what an answer
// took.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "caldera/model.hpp"
#include "machine/cooling.hpp"
#include "machine/monitor.hpp"

namespace caldera::cli {

struct MachineOptions {
  std::optional<double> max_temperature;  ///< degrees Celsius
  std::string root = "/";                 ///< where sensors are looked for; tests have trees of their own
};

/// Declares --max-temperature; what is given lands in `options`, which must outlive `app`'s parsing.
void declare_machine_options(CLI::App& app, MachineOptions& options);

/// The sensors of a device and of the CPU.
machine::Sensors sensors_of(const DeviceInfo& device, const MachineOptions& options);

/// As above for the device that a load with this choice would use; without one, those of the CPU alone.
machine::Sensors sensors_of_choice(const std::string& choice, const MachineOptions& options);

/// Lets `load`'s model rest as --max-temperature asks; null where it was not given. Errors: kDevice, naming
/// the sensors there are, where none tells the device's temperature.
std::shared_ptr<machine::Cooling> keep_cool(const MachineOptions& options, LoadOptions& load);

/// "kept below 80 °C: rested 12 times, 3.4 s"
std::string describe_cooling(const machine::CoolingReport& report);

/// What an answer took of the machine.
struct MachineUse {
  std::optional<machine::Energy> energy;  ///< nothing: nobody tells
  std::optional<double> celsius;          ///< at its end
};

/// Joules for the answer, or nothing.
std::optional<double> tokens_per_joule(const MachineUse& use, size_t tokens);

/// "energy: 12.4 J, 45.1 W, 5.16 tokens/J; 71 °C at the end"
std::string describe_use(const MachineUse& use, size_t tokens);

/// With null for what is not known.
nlohmann::ordered_json use_json(const MachineUse& use, size_t tokens);

/// Watches the sensors while it lives.
class AnswerMeter {
 public:
  AnswerMeter(const DeviceInfo& device, const MachineOptions& options);
  MachineUse finish();

 private:
  machine::Monitor monitor_;
};

}  // namespace caldera::cli
