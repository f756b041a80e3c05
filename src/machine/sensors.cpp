#include "machine/sensors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <tuple>

#include "machine/gpu.hpp"
#include "machine/small_file.hpp"

namespace caldera::machine {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostSensors = 64;
constexpr size_t kMostLabel = 64;  // bytes

/// An attribute of hwmon: "temp" NUMBER "_input". Its files hold whole numbers.
struct Attribute {
  const char* prefix;
  const char* suffix;
  Quantity quantity;
};

/// Averages of power are better than single values where both are there, so they come first.
constexpr Attribute kAttributes[] = {
    {"temp", "_input", Quantity::kTemperature}, {"power", "_average", Quantity::kPower},
    {"power", "_input", Quantity::kPower},      {"freq", "_input", Quantity::kClock},
    {"energy", "_input", Quantity::kEnergy},
};

double unit(Quantity quantity) {
  switch (quantity) {
    case Quantity::kTemperature:
      return 1e-3;  // of thousandths of a degree
    case Quantity::kPower:
    case Quantity::kEnergy:
      return 1e-6;  // of microwatts and microjoules
    case Quantity::kClock:
      return 1;
  }
  return 1;
}

/// Whether a value can be meant: drivers show 0 or nonsense for what a part does not have.
bool plausible(Quantity quantity, double value) {
  switch (quantity) {
    case Quantity::kTemperature:
      return value > -60 && value < 200 && value != 0;
    case Quantity::kPower:
      return value >= 0 && value < 1e5;
    case Quantity::kClock:
      return value >= 0 && value < 1e11;
    case Quantity::kEnergy:
      return value >= 0;
  }
  return false;
}

std::optional<int64_t> parse_signed(std::string_view text) {
  text = trim(text);
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || parsed != end) return std::nullopt;
  return value;
}

/// Hertz of the starred line of "0: 1000Mhz\n1: 2800Mhz *\n".
std::optional<double> starred_clock(std::string_view text) {
  while (!text.empty()) {
    std::string_view line = trim(take_line(text));
    if (!line.ends_with('*')) continue;
    line.remove_suffix(1);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    line = trim(line.substr(colon + 1));
    for (const std::string_view unit : {"Mhz", "MHz"}) {
      if (!line.ends_with(unit)) continue;
      const std::optional<int64_t> mhz = parse_signed(line.substr(0, line.size() - unit.size()));
      if (mhz) return static_cast<double>(*mhz) * 1e6;
    }
    return std::nullopt;
  }
  return std::nullopt;
}

std::optional<double> value_of(const Sensor& sensor) {
  const std::optional<std::string> text = read_small_file(sensor.path, 4096);
  if (!text) return std::nullopt;
  std::optional<double> value;
  if (sensor.path.filename().string().starts_with("pp_dpm_")) {
    value = starred_clock(*text);
  } else if (const std::optional<int64_t> number = parse_signed(*text)) {
    value = static_cast<double>(*number) * unit(sensor.quantity);
  }
  if (value && !plausible(sensor.quantity, *value)) return std::nullopt;
  return value;
}

std::string label_at(const fs::path& path, const std::string& otherwise) {
  const std::string text = read_small_file(path, kMostLabel).value_or("");
  std::string label(trim(text));
  const bool printable = std::ranges::all_of(label, [](char c) { return c >= ' ' && c <= '~'; });
  return label.empty() || !printable ? otherwise : label;
}

/// Adds those of a hwmon device that answer: "PART LABEL".
void add_hwmon(const fs::path& folder, const std::string& part, std::vector<Sensor>& sensors) {
  const std::vector<std::string> names = list_names(folder);
  for (const Attribute& attribute : kAttributes) {
    const std::string_view prefix = attribute.prefix;
    const std::string_view suffix = attribute.suffix;
    for (const std::string& file : names) {
      if (!file.starts_with(prefix) || !file.ends_with(suffix)) continue;
      if (file.size() <= prefix.size() + suffix.size()) continue;
      const std::string channel = file.substr(0, file.size() - suffix.size());
      if (!parse_number(std::string_view(channel).substr(prefix.size()))) continue;
      Sensor sensor;
      sensor.quantity = attribute.quantity;
      sensor.name = part + " " + label_at(folder / (channel + "_label"), channel);
      sensor.path = folder / file;
      const bool known = std::ranges::any_of(sensors, [&](const Sensor& other) {
        return other.quantity == sensor.quantity && other.name == sensor.name;
      });
      if (!known && sensors.size() < kMostSensors && value_of(sensor)) sensors.push_back(std::move(sensor));
    }
  }
}

bool any_of_device(const std::vector<Sensor>& sensors, Quantity quantity) {
  return std::ranges::any_of(
      sensors, [&](const Sensor& sensor) { return sensor.of_device && sensor.quantity == quantity; });
}

void add_gpu(const fs::path& root, const std::string& address, std::vector<Sensor>& sensors) {
  if (address.empty()) return;
  for (const Gpu& gpu : read_gpus(root)) {
    if (gpu.address != address || gpu.card.empty()) continue;
    const fs::path device = root / "sys/class/drm" / gpu.card / "device";
    for (const std::string& name : list_names(device / "hwmon"))
      add_hwmon(device / "hwmon" / name, "gpu", sensors);
    for (const char* clock : {"sclk", "mclk"}) {
      Sensor sensor{Quantity::kClock, fmt::format("gpu {}", clock), true, 0,
                    device / fmt::format("pp_dpm_{}", clock)};
      const bool known =
          std::ranges::any_of(sensors, [&](const Sensor& other) { return other.name == sensor.name; });
      if (!known && value_of(sensor)) sensors.push_back(std::move(sensor));
    }
    for (Sensor& sensor : sensors) sensor.of_device = true;
    return;
  }
}

/// What k10temp, zenpower and coretemp say of whole packages: single cores and dies would be many.
void add_cpu_temperatures(const fs::path& root, std::vector<Sensor>& sensors) {
  const fs::path folder = root / "sys/class/hwmon";
  std::vector<Sensor> found;
  for (const std::string& name : list_names(folder)) {
    const std::string driver = label_at(folder / name / "name", "");
    if (driver == "k10temp" || driver == "zenpower" || driver == "coretemp")
      add_hwmon(folder / name, "cpu", found);
  }
  const auto named = [&](std::string_view label) {
    return std::ranges::any_of(found, [&](const Sensor& sensor) { return sensor.name == label; });
  };
  for (Sensor& sensor : found) {
    if (sensor.quantity != Quantity::kTemperature) continue;
    // Tctl is above Tdie by a constant on some processors, for fans' sake; k10temp shows Tdie there.
    const bool package = sensor.name.starts_with("cpu Package id ") || sensor.name == "cpu Tdie" ||
                         (sensor.name == "cpu Tctl" && !named("cpu Tdie"));
    if (package) sensors.push_back(std::move(sensor));
  }
}

void add_cpu_energies(const fs::path& root, std::vector<Sensor>& sensors) {
  const fs::path folder = root / "sys/class/powercap";
  for (const std::string& name : list_names(folder)) {
    if (!name.starts_with("intel-rapl:")) continue;
    const std::string zone = label_at(folder / name / "name", "");
    if (!zone.starts_with("package-") || sensors.size() >= kMostSensors) continue;
    Sensor sensor{Quantity::kEnergy, "cpu " + zone, false,
                  read_number(folder / name / "max_energy_range_uj").value_or(0),
                  folder / name / "energy_uj"};
    if (value_of(sensor)) sensors.push_back(std::move(sensor));
  }
}

template <class Fold>
std::optional<double> fold_device(const std::vector<Reading>& readings, const Fold& fold) {
  std::optional<double> result;
  for (const Reading& reading : readings) {
    if (reading.of_device) result = result ? fold(*result, reading.value) : reading.value;
  }
  return result;
}

double hotter(double a, double b) {
  return std::max(a, b);
}
double first(double a, double) {
  return a;
}

}  // namespace

std::optional<double> Readings::celsius() const {
  return fold_device(temperatures, hotter);
}
std::optional<double> Readings::watts() const {
  return fold_device(powers, first);
}
std::optional<double> Readings::hertz() const {
  return fold_device(clocks, first);
}

Sensors::Sensors(const SensedDevice& device, const fs::path& root) {
  add_gpu(root, device.pci_address, sensors_);
  std::vector<Sensor> cpu;
  add_cpu_temperatures(root, cpu);
  add_cpu_energies(root, cpu);
  const bool knows_power =
      any_of_device(sensors_, Quantity::kPower) || any_of_device(sensors_, Quantity::kEnergy);
  const bool knows_heat = any_of_device(sensors_, Quantity::kTemperature);
  for (Sensor& sensor : cpu) {
    const bool known = sensor.quantity == Quantity::kTemperature ? knows_heat : knows_power;
    sensor.of_device = device.in_package && !known;
    sensors_.push_back(std::move(sensor));
  }
}

Readings Sensors::read() const {
  Readings readings;
  for (const Sensor& sensor : sensors_) {
    const std::optional<double> value = value_of(sensor);
    if (!value) continue;
    std::vector<Reading>& list = sensor.quantity == Quantity::kTemperature ? readings.temperatures
                                 : sensor.quantity == Quantity::kPower     ? readings.powers
                                 : sensor.quantity == Quantity::kClock     ? readings.clocks
                                                                           : readings.energies;
    list.push_back({sensor.name, *value, sensor.of_device});
  }
  return readings;
}

std::optional<double> Sensors::celsius() const {
  std::optional<double> hottest;
  for (const Sensor& sensor : sensors_) {
    if (sensor.quantity != Quantity::kTemperature || !sensor.of_device) continue;
    const std::optional<double> value = value_of(sensor);
    if (value) hottest = std::max(hottest.value_or(*value), *value);
  }
  return hottest;
}

std::string Sensors::names(Quantity quantity) const {
  std::string names;
  for (const Sensor& sensor : sensors_) {
    if (sensor.quantity == quantity) names += (names.empty() ? "" : ", ") + sensor.name;
  }
  return names.empty() ? "none" : names;
}

}  // namespace caldera::machine
