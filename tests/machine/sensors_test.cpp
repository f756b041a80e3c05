#include "machine/sensors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "machine/monitor.hpp"
#include "machine/recorded_tree.hpp"

namespace caldera::test {
namespace {

using machine::Quantity;
using machine::Readings;
using machine::SensedDevice;
using machine::Sensors;

const SensedDevice kStrixHalo{"0000:c4:00.0", true};
const std::string kHwmon = "sys/class/drm/card1/device/hwmon/hwmon5/";

TEST(Sensors, AreThoseOfAStrixHalo) {
  const RecordedTree tree("strix-halo-sensors");
  const Sensors sensors(kStrixHalo, tree.root());
  EXPECT_EQ(sensors.names(Quantity::kTemperature), "gpu edge, cpu Tctl");
  EXPECT_EQ(sensors.names(Quantity::kPower), "gpu PPT");
  EXPECT_EQ(sensors.names(Quantity::kClock), "gpu sclk, gpu mclk");
  EXPECT_EQ(sensors.names(Quantity::kEnergy), "cpu package-0");
  const Readings readings = sensors.read();
  EXPECT_EQ(readings.celsius(), 71.0) << "the processor's own does not count beside the GPU's";
  EXPECT_EQ(readings.watts(), 119.076) << "the average, not the moment";
  EXPECT_EQ(readings.hertz(), 2.884e9);
  EXPECT_EQ(readings.temperatures.at(1).value, 74.25);
  EXPECT_EQ(readings.clocks.at(1).value, 1e9);
  EXPECT_FALSE(readings.energies.at(0).of_device) << "the package's power is known";
  EXPECT_EQ(sensors.celsius(), 71.0);
}

TEST(Sensors, OfACardAreItsHottestAndItsOwn) {
  const std::string card = "sys/class/drm/card0/device/";
  const RecordedTree tree{{card + "vendor", "0x1002\n"},
                          {card + "device", "0x744c\n"},
                          {card + "uevent", "PCI_SLOT_NAME=0000:03:00.0\n"},
                          {card + "hwmon/hwmon1/temp1_input", "52000\n"},
                          {card + "hwmon/hwmon1/temp1_label", "edge\n"},
                          {card + "hwmon/hwmon1/temp2_input", "67000\n"},
                          {card + "hwmon/hwmon1/temp2_label", "junction\n"},
                          {card + "hwmon/hwmon1/temp3_input", "0\n"},
                          {card + "hwmon/hwmon1/power1_input", "98000000\n"},
                          {"sys/class/hwmon/hwmon3/name", "coretemp\n"},
                          {"sys/class/hwmon/hwmon3/temp1_input", "90000\n"},
                          {"sys/class/hwmon/hwmon3/temp1_label", "Package id 0\n"},
                          {"sys/class/hwmon/hwmon3/temp2_input", "88000\n"},
                          {"sys/class/hwmon/hwmon3/temp2_label", "Core 0\n"}};
  const Sensors sensors({"0000:03:00.0", false}, tree.root());
  EXPECT_EQ(sensors.names(Quantity::kTemperature), "gpu edge, gpu junction, cpu Package id 0");
  EXPECT_EQ(sensors.celsius(), 67.0);
  EXPECT_EQ(sensors.read().watts(), 98.0);
  // Another card, as NVIDIA's are: nothing tells of it, and the processor is another part.
  const Sensors other({"0000:81:00.0", false}, tree.root());
  EXPECT_EQ(other.names(Quantity::kTemperature), "cpu Package id 0");
  EXPECT_FALSE(other.celsius());
  EXPECT_FALSE(other.read().watts());
  EXPECT_FALSE(other.read().hertz());
}

TEST(Sensors, OfSoftwareAndOfSilentGraphicsAreThePackages) {
  const RecordedTree tree("strix-halo-sensors");
  const Sensors software({"", true}, tree.root());
  EXPECT_EQ(software.names(Quantity::kTemperature), "cpu Tctl");
  EXPECT_EQ(software.celsius(), 74.25);
  EXPECT_TRUE(software.read().energies.at(0).of_device);
  EXPECT_EQ(software.names(Quantity::kPower), "none");
}

TEST(Sensors, PreferTdieWhereTctlIsNotTheTemperature) {
  const std::string cpu = "sys/class/hwmon/hwmon0/";
  const RecordedTree tree{{cpu + "name", "k10temp\n"},
                          {cpu + "temp1_input", "80000\n"},
                          {cpu + "temp1_label", "Tctl\n"},
                          {cpu + "temp2_input", "53000\n"},
                          {cpu + "temp2_label", "Tdie\n"}};
  EXPECT_EQ(Sensors({"", true}, tree.root()).names(Quantity::kTemperature), "cpu Tdie");
}

TEST(Sensors, StandWhateverFilesHold) {
  RecordedTree tree("strix-halo-sensors");
  const Sensors sensors(kStrixHalo, tree.root());
  for (const char* text : {"", "\n", "x", "1e5", "99999999999999999999999", "-300000", "71000 71000", "0x12",
                           "\xff\xfe", "2000000000"}) {
    tree.write(kHwmon + "temp1_input", text);
    EXPECT_FALSE(sensors.celsius()) << text;
    EXPECT_EQ(sensors.read().temperatures.size(), 1U);
  }
  tree.write(kHwmon + "temp1_input", "-5000\n");
  EXPECT_EQ(sensors.celsius(), -5.0);
  for (const char* text : {"", "*", "0: *", "0: 5 *", "0: xMhz *", ": Mhz*", "0: 100Mhz\n", "\n\n*\n*"}) {
    tree.write("sys/class/drm/card1/device/pp_dpm_mclk", text);
    EXPECT_EQ(sensors.read().clocks.size(), 1U) << text;
  }
  tree.write("sys/class/drm/card1/device/pp_dpm_mclk", "S: 19Mhz *\n0: 800MHz\n");
  EXPECT_EQ(sensors.read().clocks.at(1).value, 19e6);
  std::filesystem::remove_all(tree.root() / "sys");
  EXPECT_TRUE(sensors.read().temperatures.empty());
  EXPECT_TRUE(Sensors(kStrixHalo, tree.root()).all().empty());
  EXPECT_TRUE(Sensors(kStrixHalo, "/no/such/folder").all().empty());
}

TEST(Sensors, DoNotWaitForPipesAndAreNotWithoutNumber) {
  RecordedTree tree{{"sys/class/hwmon/hwmon0/name", "coretemp\n"}};
  for (int i = 0; i < 200; ++i) {
    const std::string channel = "sys/class/hwmon/hwmon0/temp" + std::to_string(i);
    tree.write(channel + "_input", "40000\n");
    tree.write(channel + "_label", "Package id " + std::to_string(i) + "\n");
  }
  ASSERT_EQ(mkfifo((tree.root() / "sys/class/hwmon/hwmon0/temp900_input").c_str(), 0600), 0);
  tree.write("sys/class/hwmon/hwmon0/temp_input", "1");
  tree.write("sys/class/hwmon/hwmon0/tempx_input", "1");
  EXPECT_LE(Sensors({"", true}, tree.root()).all().size(), 64U);
}

TEST(Sensors, OfThisMachineAreRead) {
  const Sensors sensors({"", true});
  sensors.read();
}

TEST(Monitor, KnowsWhatSensorsSay) {
  RecordedTree tree("strix-halo-sensors");
  machine::Monitor monitor(Sensors(kStrixHalo, tree.root()), std::chrono::hours(1));
  EXPECT_EQ(monitor.state().celsius, 71.0);
  EXPECT_EQ(monitor.state().energy->joules, 0.0);
  tree.write(kHwmon + "temp1_input", "80000\n");
  EXPECT_EQ(monitor.state().celsius, 71.0) << "that is of when it was read";
  const machine::MachineState now = monitor.read_now();
  EXPECT_EQ(now.celsius, 80.0);
  EXPECT_NEAR(*now.energy->watts(), 119.076, 1e-9);
  EXPECT_EQ(monitor.state().celsius, 80.0);
}

TEST(Monitor, IsQuietWithoutSensors) {
  machine::Monitor monitor({}, std::chrono::milliseconds(1));
  EXPECT_FALSE(monitor.read_now().celsius);
  EXPECT_FALSE(monitor.state().energy);
}

}  // namespace
}  // namespace caldera::test
