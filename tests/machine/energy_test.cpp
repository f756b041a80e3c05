#include "machine/energy.hpp"

#include <gtest/gtest.h>

#include "machine/recorded_tree.hpp"

namespace caldera::test {
namespace {

using machine::Energy;
using machine::EnergyMeter;
using machine::Readings;
using machine::Sensors;

Readings watts(double value) {
  Readings readings;
  readings.powers.push_back({"gpu PPT", value, true});
  return readings;
}

Readings joules(double value, bool of_device = true) {
  Readings readings;
  readings.energies.push_back({"cpu package-0", value, of_device});
  return readings;
}

TEST(EnergyMeter, AddsPowerUpByTrapezoids) {
  const Sensors sensors;
  EnergyMeter meter;
  EXPECT_FALSE(meter.total());
  meter.add(sensors, watts(10), 100);
  EXPECT_EQ(meter.total()->joules, 0);
  EXPECT_FALSE(meter.total()->watts());
  meter.add(sensors, watts(30), 102);
  EXPECT_DOUBLE_EQ(meter.total()->joules, 40);
  meter.add(sensors, {}, 103);  // the sensor did not answer: what was used there is not known
  meter.add(sensors, watts(30), 110);
  meter.add(sensors, watts(30), 111);
  EXPECT_DOUBLE_EQ(meter.total()->joules, 70);
  EXPECT_DOUBLE_EQ(meter.total()->seconds, 3);
  EXPECT_DOUBLE_EQ(*meter.total()->watts(), 70.0 / 3);
  EXPECT_EQ(meter.watts_now(), 30);
  meter.add(sensors, watts(30), 50);  // a clock that goes back adds nothing
  EXPECT_DOUBLE_EQ(meter.total()->joules, 70);
}

TEST(EnergyMeter, TakesDifferencesOfCounters) {
  const RecordedTree tree("strix-halo-sensors");
  const Sensors sensors({"", true}, tree.root());
  EnergyMeter meter;
  meter.add(sensors, joules(65532), 0);
  EXPECT_EQ(meter.total()->joules, 0);
  EXPECT_FALSE(meter.watts_now());
  meter.add(sensors, joules(65532.5), 1);
  EXPECT_DOUBLE_EQ(meter.total()->joules, 0.5);
  meter.add(sensors, joules(0.889013), 2);  // it began again at 65532.610987
  EXPECT_NEAR(meter.total()->joules, 1.5, 1e-9);
  EXPECT_NEAR(*meter.watts_now(), 1, 1e-9);
}

TEST(EnergyMeter, KnowsNothingOfOtherParts) {
  const Sensors sensors;
  EnergyMeter meter;
  meter.add(sensors, joules(1, false), 0);
  meter.add(sensors, joules(2, false), 1);
  EXPECT_FALSE(meter.total());
  EXPECT_FALSE(meter.watts_now());
}

}  // namespace
}  // namespace caldera::test
