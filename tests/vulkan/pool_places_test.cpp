// Where the pool looks for memory that the host works on, on every machine of the table.
#include <gtest/gtest.h>

#include "gguf/expect_error.hpp"
#include "simulated/every_row.hpp"
#include "simulated/simulated_device.hpp"
#include "vulkan/device.hpp"

namespace caldera::vulkan {
namespace {

using gguf::expect_error;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class PoolPlacesTest : public ::testing::TestWithParam<std::string> {
 protected:
  void open(uint64_t limit = 0) {
    device_ = std::make_unique<Device>(instance_, instance_.choose(""), DeviceOptions{limit});
  }
  Allocation take(uint64_t bytes, Residency residency, Purpose purpose) {
    return device_->memory().allocate(bytes, residency, purpose, "a test's memory");
  }
  const plan::MemoryType& type_of(const Allocation& memory) const {
    return simulated_.topology().types[memory.memory_type()];
  }
  bool unified() const { return simulated_.topology().unified(); }
  bool shows_its_own_memory() const {
    for (const plan::MemoryType& type : simulated_.topology().types) {
      if (type.device_local && type.host_visible && type.host_coherent) return true;
    }
    return false;
  }

  test::SimulatedDevice simulated_{GetParam()};
  Instance instance_;
  std::unique_ptr<Device> device_;
};

TEST_P(PoolPlacesTest, WhatTheHostReadsIsInItsOwnCachedMemory) {
  open();
  const Allocation memory = take(1000, Residency::kHostRead, Purpose::kActivations);
  EXPECT_TRUE(type_of(memory).host_cached);
  EXPECT_TRUE(unified() || !type_of(memory).device_local);
}

TEST_P(PoolPlacesTest, WhatTheDeviceReadsIsNearItAndWhatItCopiesFromIsNot) {
  open();
  const Allocation table = take(1000, Residency::kHostWrite, Purpose::kActivations);
  const Allocation staging = take(1000, Residency::kHostWrite, Purpose::kStaging);
  EXPECT_EQ(type_of(table).device_local, shows_its_own_memory());
  EXPECT_TRUE(unified() || !type_of(staging).device_local);
  EXPECT_NE(table.host(), nullptr);
  EXPECT_NE(staging.host(), nullptr);
}

/// NVIDIA's driver refuses memory that the host sees beyond half of a card's.
TEST_P(PoolPlacesTest, WhatIsRefusedAsVisibleIsTakenHiddenAndFilled) {
  if (simulated_.topology().type != plan::DeviceType::kDiscrete || !shows_its_own_memory()) {
    GTEST_SKIP()
        << "this machine has no card whose memory comes as visible and as hidden; H100 and H200 have";
  }
  open();
  device_->memory().expect(std::vector<uint64_t>(4, kMiB));
  simulated_.refuse_allocation(1);
  std::vector<Allocation> weights;
  for (int i = 0; i < 4; ++i) weights.push_back(take(kMiB, Residency::kDevice, Purpose::kWeights));
  for (const Allocation& memory : weights) {
    EXPECT_EQ(memory.host(), nullptr);
    EXPECT_TRUE(type_of(memory).device_local);
  }
  EXPECT_EQ(device_->memory().reserved(), 4 * kMiB);
}

TEST_P(PoolPlacesTest, TheLimitIsOfNearMemoryOnly) {
  open(8 * kMiB);
  const Allocation near = take(8 * kMiB, Residency::kDevice, Purpose::kWeights);
  EXPECT_EQ(device_->memory().used_far(Purpose::kWeights), 0U);
  if (unified()) {
    expect_error(ErrorKind::kMemory, {"8.0 MiB of the memory limit of 8.0 MiB"},
                 [&] { take(kMiB, Residency::kDevice, Purpose::kWeights); });
    return;
  }
  const Allocation far = take(kMiB, Residency::kDevice, Purpose::kWeights);
  EXPECT_EQ(device_->memory().used_far(Purpose::kWeights), kMiB);
  EXPECT_NE(take(1000, Residency::kHostRead, Purpose::kActivations).host(), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Rows, PoolPlacesTest, ::testing::ValuesIn(test::row_names()), test::row_test_name);

}  // namespace
}  // namespace caldera::vulkan
