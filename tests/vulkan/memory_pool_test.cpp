// The memory pool: chunks under the limits, release and reuse, refusals.
#include "vulkan/memory_pool.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <set>

#include "gguf/expect_error.hpp"
#include "support/device.hpp"

namespace caldera::vulkan {
namespace {

using gguf::expect_error;

constexpr uint64_t kMiB = uint64_t{1} << 20;

/// A device of its own, so that figures start from zero.
class MemoryPoolTest : public ::testing::Test {
 protected:
  void open(uint64_t limit = 0, bool allow_host_visible = true) {
    device_ = std::make_unique<Device>(test::instance(), test::instance().choose(""),
                                       DeviceOptions{limit, allow_host_visible});
  }
  MemoryPool& pool() { return device_->memory(); }
  Allocation take(uint64_t bytes, Residency residency = Residency::kDevice,
                  Purpose purpose = Purpose::kWeights) {
    return pool().allocate(bytes, residency, purpose, "a test's memory");
  }
  void expect_empty() {
    EXPECT_EQ(pool().reserved(), 0U);
    for (size_t i = 0; i < kPurposes; ++i) EXPECT_EQ(pool().used(static_cast<Purpose>(i)), 0U) << i;
  }

  std::unique_ptr<Device> device_;
};

TEST_F(MemoryPoolTest, CountsWhatIsHandedOutAndTakenBack) {
  open();
  expect_empty();
  {
    const Allocation weights = take(1000, Residency::kDevice, Purpose::kWeights);
    const Allocation kv = take(256, Residency::kDevice, Purpose::kKv);
    const Allocation table = take(1, Residency::kHostWrite, Purpose::kActivations);
    EXPECT_EQ(weights.bytes(), 1024U);
    EXPECT_EQ(pool().used(Purpose::kWeights), 1024U);
    EXPECT_EQ(pool().used(Purpose::kKv), 256U);
    EXPECT_EQ(pool().used(Purpose::kActivations), 256U);
    EXPECT_GE(pool().reserved(), 1024U + 256 + 256);
  }
  expect_empty();
}

TEST_F(MemoryPoolTest, HostMemoryIsMapped) {
  open();
  for (const Residency residency : {Residency::kHostWrite, Residency::kHostRead}) {
    const Allocation first = take(300, residency);
    const Allocation second = take(300, residency);
    ASSERT_NE(first.host(), nullptr);
    ASSERT_NE(second.host(), nullptr);
    std::memset(first.host(), 1, 300);
    std::memset(second.host(), 2, 300);
    EXPECT_EQ(first.host()[299], std::byte{1});
  }
}

TEST_F(MemoryPoolTest, ManySmallAllocationsNeverOverlap) {
  open();
  struct Held {
    Allocation memory;
    uint32_t mark;
  };
  std::vector<Held> held;
  std::mt19937 random(5);
  for (uint32_t step = 0; step < 5000; ++step) {
    if (held.size() > 400 || (!held.empty() && random() % 3 == 0)) {
      std::swap(held[random() % held.size()], held.back());
      uint32_t mark = 0;
      std::memcpy(&mark, held.back().memory.host() + held.back().memory.bytes() - 4, 4);
      ASSERT_EQ(mark, held.back().mark);
      held.pop_back();
      continue;
    }
    Allocation memory = take(random() % 20000 + 1, Residency::kHostWrite, Purpose::kKv);
    EXPECT_EQ(memory.address() % 256, 0U);
    EXPECT_EQ(memory.buffer_offset() % 256, 0U);
    for (uint64_t at = 0; at + 4 <= memory.bytes(); at += 4) std::memcpy(memory.host() + at, &step, 4);
    held.push_back({std::move(memory), step});
  }
  std::set<std::pair<uint64_t, uint64_t>> places;
  uint64_t total = 0;
  for (const Held& one : held) {
    places.emplace(one.memory.address(), one.memory.bytes());
    total += one.memory.bytes();
  }
  uint64_t end = 0;
  for (const auto& [address, bytes] : places) {
    EXPECT_GE(address, end);
    end = address + bytes;
  }
  EXPECT_EQ(pool().used(Purpose::kKv), total);
  held.clear();
  expect_empty();
}

TEST_F(MemoryPoolTest, ReusesWhatWasGivenBack) {
  open();
  const Allocation anchor = take(256);  // keeps the chunk
  Allocation first = take(64 * 1024);
  const Allocation second = take(256);
  const uint64_t address = first.address();
  const uint64_t reserved = pool().reserved();
  first = {};
  const Allocation half = take(32 * 1024);
  const Allocation other_half = take(32 * 1024);
  EXPECT_EQ(half.address(), address);
  EXPECT_EQ(other_half.address(), address + 32 * 1024);
  EXPECT_EQ(pool().reserved(), reserved);
}

TEST_F(MemoryPoolTest, GapsThatTouchBecomeOne) {
  open();
  const Allocation anchor = take(256);
  std::vector<Allocation> row;
  for (int i = 0; i < 4; ++i) row.push_back(take(kMiB));
  const Allocation fence = take(256);
  const uint64_t address = row[0].address();
  for (const size_t i : {2U, 0U, 3U, 1U}) row[i] = {};
  EXPECT_EQ(take(4 * kMiB).address(), address);
}

TEST_F(MemoryPoolTest, MovingGivesNothingBackTwice) {
  open();
  {
    Allocation first = take(256);
    const uint64_t address = first.address();
    Allocation second = std::move(first);
    EXPECT_FALSE(static_cast<bool>(first));  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(second.address(), address);
    Allocation& same = second;
    second = std::move(same);
    EXPECT_EQ(second.address(), address);
    second = take(512);
    EXPECT_EQ(pool().used(Purpose::kWeights), 512U);
  }
  expect_empty();
}

TEST_F(MemoryPoolTest, ChunksHoldAWholeNumberOfPages) {
  open();
  const Allocation first = take(20 * kMiB, Residency::kDevice, Purpose::kKv);
  const Allocation second = take(20 * kMiB, Residency::kDevice, Purpose::kKv);
  EXPECT_EQ(pool().reserved(), 40 * kMiB);
}

TEST_F(MemoryPoolTest, ChunksGrowToWhatIsExpected) {
  open();
  pool().expect(std::vector<uint64_t>(25, 4 * kMiB));
  std::vector<Allocation> weights;
  for (int i = 0; i < 25; ++i) weights.push_back(take(4 * kMiB));
  EXPECT_EQ(pool().reserved(), 100 * kMiB);
  weights.clear();
  expect_empty();
}

TEST_F(MemoryPoolTest, NoAllocationExceedsTheDevicesLimit) {
  open();
  const PhysicalDevice& physical = device_->physical();
  EXPECT_LE(pool().max_allocation(), physical.info.max_allocation_bytes);
  EXPECT_LE(pool().max_allocation(), physical.info.max_buffer_bytes);
  for (const uint64_t bytes :
       {pool().max_allocation() + 1, uint64_t{1} << 60, UINT64_MAX - 100, UINT64_MAX}) {
    expect_error(ErrorKind::kMemory, {"a test's memory"}, [&] { take(bytes); });
  }
  expect_empty();
}

TEST_F(MemoryPoolTest, RefusesBeyondTheLimit) {
  open(8 * kMiB);
  if (!device_->physical().unified_memory()) {  // goes on in the host's memory
    const Allocation first = take(5 * kMiB);
    const Allocation second = take(4 * kMiB);
    EXPECT_EQ(pool().used_far(Purpose::kWeights), second.bytes());
    return;
  }
  {
    const Allocation first = take(5 * kMiB);
    expect_error(ErrorKind::kMemory, {"a test's memory", "--memory-limit"}, [&] { take(4 * kMiB); });
    EXPECT_LE(pool().reserved(), 8 * kMiB);
    const Allocation second = take(3 * kMiB);
    EXPECT_EQ(pool().reserved(), 8 * kMiB);
    expect_error(ErrorKind::kMemory, {"a test's memory"}, [&] { take(256); });
  }
  expect_empty();
  EXPECT_EQ(take(8 * kMiB).bytes(), 8 * kMiB);
}

TEST_F(MemoryPoolTest, KeepsDeviceMemoryUnmappedWhenTold) {
  open(0, false);
  const Allocation memory = take(1000);
  EXPECT_EQ(memory.host(), nullptr);
  EXPECT_NE(take(1000, Residency::kHostWrite).host(), nullptr);
}

}  // namespace
}  // namespace caldera::vulkan
