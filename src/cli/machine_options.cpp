#include "cli/machine_options.hpp"

#include <fmt/format.h>

#include <chrono>

#include "caldera/device.hpp"
#include "caldera/error.hpp"
#include "cli/output.hpp"
#include "cli/parse.hpp"

namespace caldera::cli {
namespace {

constexpr float kLeastLimit = 30;  // degrees: below, a device at rest is warmer than that
constexpr float kMostLimit = 120;
constexpr std::chrono::milliseconds kMeterPeriod{200};

std::optional<DeviceInfo> chosen_device(const std::string& choice) {
  try {
    for (DeviceInfo& device : list_devices(choice)) {
      if (device.chosen) return std::move(device);
    }
  } catch (const Error&) {  // loading a model says what is wrong
  }
  return std::nullopt;
}

}  // namespace

void declare_machine_options(CLI::App& app, MachineOptions& options) {
  app.add_option_function<std::string>(
      "--max-temperature",
      [&options](const std::string& text) {
        options.max_temperature = double{parse_number("--max-temperature", text, kLeastLimit, kMostLimit)};
      },
      "Degrees Celsius that the device is to stay below: near them it rests between submissions, before its "
      "firmware slows it down");
  app.add_option("--sensors-root", options.root)->group("");
}

machine::Sensors sensors_of(const DeviceInfo& device, const MachineOptions& options) {
  const bool in_package = device.type == "integrated" || device.type == "cpu";
  return machine::Sensors({device.pci_address, in_package}, options.root);
}

machine::Sensors sensors_of_choice(const std::string& choice, const MachineOptions& options) {
  const std::optional<DeviceInfo> device = chosen_device(choice);
  return device ? sensors_of(*device, options) : machine::Sensors({}, options.root);
}

std::shared_ptr<machine::Cooling> keep_cool(const MachineOptions& options, LoadOptions& load) {
  if (!options.max_temperature) return nullptr;
  const std::optional<DeviceInfo> device = chosen_device(load.device);
  if (!device) return nullptr;  // loading says why there is none
  const machine::Sensors sensors = sensors_of(*device, options);
  if (!sensors.celsius()) {
    throw Error(ErrorKind::kDevice,
                fmt::format("--max-temperature: no sensor in sysfs tells how warm {} is (sensors there are: "
                            "{}): do without it, or let the driver's own tool limit its power",
                            escape(device->name), sensors.names(machine::Quantity::kTemperature)));
  }
  auto cooling = std::make_shared<machine::Cooling>(sensors, *options.max_temperature);
  load.rest = [cooling](double worked) { return cooling->rest(worked); };
  return cooling;
}

std::string describe_cooling(const machine::CoolingReport& report) {
  return fmt::format("kept below {:g} °C: rested {} times, {:.1f} s", report.limit, report.rests,
                     report.rested);
}

std::optional<double> tokens_per_joule(const MachineUse& use, size_t tokens) {
  if (!use.energy || use.energy->joules <= 0) return std::nullopt;
  return static_cast<double>(tokens) / use.energy->joules;
}

std::string describe_use(const MachineUse& use, size_t tokens) {
  const std::optional<double> rate = tokens_per_joule(use, tokens);
  std::string text = rate ? fmt::format("energy: {:.1f} J, {:.1f} W, {:.3g} tokens/J", use.energy->joules,
                                        use.energy->watts().value_or(0), *rate)
                          : "energy: not known, nothing here tells the device's power";
  if (use.celsius) text += fmt::format("; {:.0f} °C at the end", *use.celsius);
  return text;
}

nlohmann::ordered_json use_json(const MachineUse& use, size_t tokens) {
  const auto value = [](const std::optional<double>& number) {
    return number ? nlohmann::ordered_json(*number) : nlohmann::ordered_json(nullptr);
  };
  const bool known = tokens_per_joule(use, tokens).has_value();
  return {{"joules", value(known ? std::optional(use.energy->joules) : std::nullopt)},
          {"watts", value(known ? use.energy->watts() : std::nullopt)},
          {"tokens_per_joule", value(tokens_per_joule(use, tokens))},
          {"temperature_celsius", value(use.celsius)}};
}

AnswerMeter::AnswerMeter(const DeviceInfo& device, const MachineOptions& options)
    : monitor_(sensors_of(device, options), kMeterPeriod) {}

MachineUse AnswerMeter::finish() {
  const machine::MachineState state = monitor_.read_now();
  return {state.energy, state.celsius};
}

}  // namespace caldera::cli
