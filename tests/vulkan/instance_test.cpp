// Choosing a device by number, by part of its name, or not at all.
#include "vulkan/instance.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

#include "gguf/expect_error.hpp"
#include "support/device.hpp"

namespace caldera::vulkan {
namespace {

using gguf::expect_error;

TEST(InstanceTest, OneDeviceIsChosen) {
  const std::vector<PhysicalDevice> devices = test::instance().devices("");
  ASSERT_FALSE(devices.empty());
  EXPECT_EQ(
      std::count_if(devices.begin(), devices.end(), [](const auto& device) { return device.info.chosen; }),
      1);
  for (const PhysicalDevice& device : devices) {
    EXPECT_FALSE(device.info.name.empty());
    EXPECT_FALSE(device.info.reason.empty()) << device.info.name;
    EXPECT_FALSE(device.info.heaps.empty()) << device.info.name;
    if (device.info.chosen) {
      EXPECT_TRUE(device.info.usable);
    }
  }
}

TEST(InstanceTest, SoftwareComesLast) {
  const PhysicalDevice chosen = test::instance().choose("");
  const std::vector<PhysicalDevice> devices = test::instance().devices("");
  const bool all_software = std::all_of(devices.begin(), devices.end(), [](const PhysicalDevice& device) {
    return !device.info.usable || device.type == VK_PHYSICAL_DEVICE_TYPE_CPU;
  });
  EXPECT_EQ(chosen.type == VK_PHYSICAL_DEVICE_TYPE_CPU, all_software);
}

TEST(InstanceTest, ChoosesByNumber) {
  for (const PhysicalDevice& device : test::instance().devices("")) {
    if (!device.info.usable) continue;
    EXPECT_EQ(test::instance().choose(std::to_string(device.info.index)).info.index, device.info.index);
  }
}

TEST(InstanceTest, ChoosesByPartOfTheNameInAnyCase) {
  const PhysicalDevice chosen = test::instance().choose("");
  std::string part = chosen.info.name.substr(1, 5);
  for (char& c : part) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  EXPECT_EQ(test::instance().choose(part).info.name, chosen.info.name);
}

TEST(InstanceTest, SaysWhatThereIsWhenNothingMatches) {
  const std::string name = test::instance().choose("").info.name;
  for (const char* choice : {"no such device", "999", "0123456789012345678901234567890", "-1", "00"}) {
    expect_error(ErrorKind::kDevice, {choice, name}, [&] { test::instance().choose(choice); });
  }
}

}  // namespace
}  // namespace caldera::vulkan
