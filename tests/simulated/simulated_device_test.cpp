// The simulated device itself: it shows every row as the table has it, refuses what it promises to refuse,
// and validation, which sees it as a driver, has nothing to say.
#include "simulated/simulated_device.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "caldera/error.hpp"
#include "plan/topology_table.hpp"
#include "simulated/every_row.hpp"
#include "simulated/plain_device.hpp"
#include "simulated/shown_device.hpp"

namespace caldera::test {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kTotal = 256 * kMiB;
constexpr char kApu[] = "flow-z13-linux-gtt96";  // types: local, host, local + visible, host + cached
constexpr char kCard[] = "h100-sxm-80gb";
constexpr uint32_t kApuLocal = 0;
constexpr uint32_t kApuVisible = 2;

/// A simulated device and a plain Vulkan device on it.
struct Opened {
  explicit Opened(const std::string& row, SimulatedOptions options = {})
      : simulated(row, options), instance(options.validation), device(instance) {}

  SimulatedDevice simulated;
  vulkan::Instance instance;
  PlainDevice device;
};

class EveryRow : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryRow, IsShownAsTheTableHasIt) {
  const plan::Topology row = plan::find_topology(GetParam());
  uint64_t total = 0;
  for (const plan::Heap& heap : row.heaps) total += heap.bytes;
  SimulatedOptions options;
  options.validation = true;
  const Opened opened(GetParam(), options);
  const vulkan::PhysicalDevice& seen = opened.device.physical();
  EXPECT_EQ(opened.instance.devices("").size(), 1U);
  EXPECT_EQ(seen.info.name, row.name);
  const char* types[] = {"integrated", "discrete", "virtual", "cpu", "other"};
  EXPECT_EQ(seen.info.type, types[static_cast<size_t>(row.type)]);

  const double scale = static_cast<double>(kTotal) / static_cast<double>(total);
  uint64_t shown_total = 0;
  ASSERT_EQ(seen.info.heaps.size(), row.heaps.size());
  for (size_t i = 0; i < row.heaps.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_NEAR(static_cast<double>(seen.info.heaps[i].bytes),
                static_cast<double>(row.heaps[i].bytes) * scale, 1);
    EXPECT_EQ(seen.info.heaps[i].device_local, row.heaps[i].device_local);
    EXPECT_EQ(seen.info.heaps[i].bytes, opened.simulated.topology().heaps[i].bytes);
    shown_total += seen.info.heaps[i].bytes;
  }
  EXPECT_NEAR(static_cast<double>(shown_total), static_cast<double>(kTotal), 4);

  ASSERT_EQ(seen.memory.memoryTypeCount, row.types.size());
  for (uint32_t i = 0; i < row.types.size(); ++i) {
    SCOPED_TRACE(i);
    const VkMemoryPropertyFlags flags = seen.memory.memoryTypes[i].propertyFlags;
    EXPECT_EQ(seen.memory.memoryTypes[i].heapIndex, row.types[i].heap);
    EXPECT_EQ((flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) != 0, row.types[i].device_local);
    EXPECT_EQ((flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0, row.types[i].host_visible);
    EXPECT_EQ((flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0, row.types[i].host_coherent);
    EXPECT_EQ((flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0, row.types[i].host_cached);
  }

  EXPECT_EQ(seen.info.max_allocation_bytes, opened.simulated.topology().max_allocation);
  EXPECT_EQ(seen.info.max_buffer_bytes, opened.simulated.topology().max_buffer);
  EXPECT_EQ(seen.info.max_storage_range_bytes, opened.simulated.topology().max_storage_range);
  VkPhysicalDeviceProperties properties{};
  vkGetPhysicalDeviceProperties(seen.handle, &properties);
  EXPECT_EQ(properties.limits.maxMemoryAllocationCount, 4096U);

  EXPECT_EQ(seen.info.memory_budget, row.name != "lavapipe-debian-12");
  if (seen.info.memory_budget) {
    const VkPhysicalDeviceMemoryBudgetPropertiesEXT budgets = opened.device.budgets();
    for (uint32_t i = 0; i < row.heaps.size(); ++i) {
      EXPECT_EQ(budgets.heapBudget[i], seen.info.heaps[i].bytes) << i;
      EXPECT_EQ(budgets.heapUsage[i], 0U) << i;
    }
  }
  EXPECT_THAT(opened.instance.validation_log().messages, ::testing::IsEmpty());
}

TEST_P(EveryRow, GivesEveryHeapToItsLastByteAndTakesItBack) {
  SimulatedOptions options;
  options.validation = true;
  Opened opened(GetParam(), options);
  const plan::Topology& row = opened.simulated.topology();
  for (uint32_t heap = 0; heap < row.heaps.size(); ++heap) {
    SCOPED_TRACE(heap);
    const auto type = std::find_if(row.types.begin(), row.types.end(),
                                   [&](const plan::MemoryType& one) { return one.heap == heap; });
    ASSERT_NE(type, row.types.end());
    const auto index = static_cast<uint32_t>(type - row.types.begin());
    for (uint64_t left = row.heaps[heap].bytes; left > 0;) {
      const uint64_t bytes = std::min(left, row.max_allocation);
      ASSERT_EQ(opened.device.allocate(index, bytes), VK_SUCCESS);
      left -= bytes;
    }
    EXPECT_EQ(opened.simulated.used(heap), row.heaps[heap].bytes);
    EXPECT_EQ(opened.device.allocate(index, 1), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    opened.device.free_last();
    EXPECT_EQ(opened.device.allocate(index, 1), VK_SUCCESS);
    opened.device.free_all();
    EXPECT_EQ(opened.simulated.used(heap), 0U);
    EXPECT_EQ(opened.simulated.live_allocations(), 0U);
  }
  EXPECT_THAT(opened.instance.validation_log().messages, ::testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Rows, EveryRow, ::testing::ValuesIn(row_names()), row_test_name);

TEST(SimulatedDevice, RefusesMoreThanOneAllocationMayHold) {
  Opened opened(kApu);
  const uint64_t cap = opened.simulated.topology().max_allocation;
  ASSERT_LT(cap, opened.simulated.topology().heaps[1].bytes);
  EXPECT_EQ(opened.device.allocate(kApuLocal, cap + 1), VK_ERROR_OUT_OF_DEVICE_MEMORY);
  EXPECT_EQ(opened.device.allocate(kApuLocal, cap), VK_SUCCESS);
  EXPECT_EQ(opened.device.allocate(kApuLocal, UINT64_MAX), VK_ERROR_OUT_OF_DEVICE_MEMORY);
  EXPECT_EQ(opened.simulated.used(1), cap);
  EXPECT_EQ(opened.simulated.largest_asked(), UINT64_MAX);
}

TEST(SimulatedDevice, RefusesMoreAllocationsThanItCounts) {
  SimulatedOptions options;
  options.allocations = 3;
  Opened opened(kApu, options);
  VkPhysicalDeviceProperties properties{};
  vkGetPhysicalDeviceProperties(opened.device.physical().handle, &properties);
  EXPECT_EQ(properties.limits.maxMemoryAllocationCount, 3U);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(opened.device.allocate(kApuLocal, 256), VK_SUCCESS);
  EXPECT_EQ(opened.device.allocate(kApuLocal, 256), VK_ERROR_TOO_MANY_OBJECTS);
  opened.device.free_last();
  EXPECT_EQ(opened.device.allocate(kApuLocal, 256), VK_SUCCESS);
  EXPECT_EQ(opened.simulated.total_allocations(), 4U);
}

TEST(SimulatedDevice, RefusesLargerBuffersThanItAllows) {
  const Opened opened(kApu);
  const uint64_t cap = opened.simulated.topology().max_buffer;
  VkBuffer buffer = VK_NULL_HANDLE;
  EXPECT_EQ(opened.device.make_buffer(cap + 1, buffer), VK_ERROR_OUT_OF_DEVICE_MEMORY);
  ASSERT_EQ(opened.device.make_buffer(cap, buffer), VK_SUCCESS);
  vkDestroyBuffer(opened.device.handle(), buffer, nullptr);
}

TEST(SimulatedDevice, ReportsABudgetThatShrinksAndRefusesBeyondItOnlyIfTold) {
  Opened opened(kApu);
  const uint32_t heap = opened.simulated.topology().types[kApuLocal].heap;
  ASSERT_EQ(opened.device.allocate(kApuLocal, 8 * kMiB), VK_SUCCESS);
  opened.simulated.set_budget(heap, 10 * kMiB);
  EXPECT_EQ(opened.device.budgets().heapBudget[heap], 10 * kMiB);
  EXPECT_EQ(opened.device.budgets().heapUsage[heap], 8 * kMiB);
  EXPECT_EQ(opened.device.allocate(kApuLocal, 4 * kMiB), VK_SUCCESS) << "as real drivers do";
  opened.device.free_last();
  opened.simulated.enforce_budget(true);
  EXPECT_EQ(opened.device.allocate(kApuLocal, 4 * kMiB), VK_ERROR_OUT_OF_DEVICE_MEMORY);
  EXPECT_EQ(opened.device.allocate(kApuLocal, 2 * kMiB), VK_SUCCESS);
  opened.simulated.reset();
  EXPECT_EQ(opened.device.budgets().heapBudget[heap], opened.simulated.topology().heaps[heap].bytes);
  EXPECT_EQ(opened.device.allocate(kApuLocal, 4 * kMiB), VK_SUCCESS);
}

TEST(SimulatedDevice, RefusesTheAllocationItIsToldTo) {
  Opened opened(kApu);
  opened.simulated.refuse_allocation(2, 2);
  EXPECT_EQ(opened.device.allocate(kApuLocal, 256), VK_SUCCESS);
  EXPECT_EQ(opened.device.allocate(kApuLocal, 256), VK_ERROR_OUT_OF_DEVICE_MEMORY);
  EXPECT_EQ(opened.device.allocate(kApuLocal, 256), VK_ERROR_OUT_OF_DEVICE_MEMORY);
  EXPECT_EQ(opened.device.allocate(kApuLocal, 256), VK_SUCCESS);
  EXPECT_EQ(opened.simulated.live_allocations(), 2U);
}

TEST(SimulatedDevice, MapsOnlyWhatTheHostSees) {
  Opened opened(kApu);
  void* host = nullptr;
  ASSERT_EQ(opened.device.allocate(kApuLocal, 4096), VK_SUCCESS);
  EXPECT_EQ(vkMapMemory(opened.device.handle(), opened.device.granted().back(), 0, VK_WHOLE_SIZE, 0, &host),
            VK_ERROR_MEMORY_MAP_FAILED);
  ASSERT_EQ(opened.device.allocate(kApuVisible, 4096), VK_SUCCESS);
  ASSERT_EQ(vkMapMemory(opened.device.handle(), opened.device.granted().back(), 0, VK_WHOLE_SIZE, 0, &host),
            VK_SUCCESS);
  static_cast<char*>(host)[4095] = 1;
}

/// Were validation below, it would see the driver's own type, which can be mapped.
TEST(SimulatedDevice, LiesBelowValidation) {
  SimulatedOptions options;
  options.validation = true;
  Opened opened(kApu, options);
  ASSERT_TRUE(opened.instance.validation());
  ASSERT_EQ(opened.device.allocate(kApuLocal, 4096), VK_SUCCESS);
  void* host = nullptr;
  EXPECT_NE(vkMapMemory(opened.device.handle(), opened.device.granted().back(), 0, VK_WHOLE_SIZE, 0, &host),
            VK_SUCCESS);
  EXPECT_THAT(opened.instance.validation_log().messages,
              ::testing::ElementsAre(::testing::HasSubstr("vkMapMemory")));
}

TEST(SimulatedDevice, RefusesToLieAboveValidation) {
  const SimulatedDevice simulated(kApu);
  EXPECT_THROW(vulkan::Instance(true), Error);
}

TEST(SimulatedDevice, AllQueriesAgreeOnTheTypesOfABuffer) {
  for (const std::string& row : row_names()) {
    SCOPED_TRACE(row);
    SimulatedOptions options;
    options.validation = true;
    const Opened opened(row, options);
    VkDevice device = opened.device.handle();
    const uint32_t all = (1U << opened.simulated.topology().types.size()) - 1;
    EXPECT_EQ(opened.device.buffer_types(), all);

    VkBufferCreateInfo create{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
    create.size = 256;
    create.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    VkDeviceBufferMemoryRequirements about{VK_STRUCTURE_TYPE_DEVICE_BUFFER_MEMORY_REQUIREMENTS};
    about.pCreateInfo = &create;
    VkMemoryRequirements2 requirements{VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2};
    vkGetDeviceBufferMemoryRequirements(device, &about, &requirements);
    EXPECT_EQ(requirements.memoryRequirements.memoryTypeBits, all);

    VkBuffer buffer = VK_NULL_HANDLE;
    ASSERT_EQ(opened.device.make_buffer(256, buffer), VK_SUCCESS);
    VkBufferMemoryRequirementsInfo2 of{VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2};
    of.buffer = buffer;
    requirements.memoryRequirements = {};
    vkGetBufferMemoryRequirements2(device, &of, &requirements);
    EXPECT_EQ(requirements.memoryRequirements.memoryTypeBits, all);
    vkDestroyBuffer(device, buffer, nullptr);
    EXPECT_THAT(opened.instance.validation_log().messages, ::testing::IsEmpty());
  }
}

class HostImport : public ::testing::TestWithParam<std::string> {
 protected:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> host_{std::aligned_alloc(4096, 65536)};
};

TEST_P(HostImport, GoesToATypeOfTheHostOrIsRefused) {
  SimulatedOptions options;
  options.validation = true;
  Opened opened(GetParam(), options);
  const plan::Topology& row = opened.simulated.topology();
  const auto get =
      opened.device.function<PFN_vkGetMemoryHostPointerPropertiesEXT>("vkGetMemoryHostPointerPropertiesEXT");
  ASSERT_NE(get, nullptr);
  VkMemoryHostPointerPropertiesEXT properties{VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT};
  ASSERT_EQ(get(opened.device.handle(), VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT, host_.get(),
                &properties),
            VK_SUCCESS);
  ASSERT_NE(properties.memoryTypeBits, 0U);
  uint32_t type = 0;
  for (uint32_t i = 0; i < row.types.size(); ++i) {
    if ((properties.memoryTypeBits >> i & 1) == 0) continue;
    type = i;
    EXPECT_TRUE(row.types[i].host_visible);
    EXPECT_EQ(row.types[i].device_local, row.type == plan::DeviceType::kCpu)
        << "only a CPU has no other heap";
  }
  EXPECT_EQ(opened.device.import(type, host_.get(), 65536), VK_SUCCESS);
  EXPECT_EQ(opened.simulated.imported(), 65536U);
  EXPECT_EQ(opened.simulated.used(row.types[type].heap), 0U);
  EXPECT_EQ(opened.simulated.live_allocations(), 1U);
  opened.device.free_all();
  EXPECT_EQ(opened.simulated.imported(), 0U);

  opened.simulated.refuse_imports(true);
  EXPECT_EQ(opened.device.import(type, host_.get(), 65536), VK_ERROR_INVALID_EXTERNAL_HANDLE);
  EXPECT_EQ(opened.device.allocate(type, 65536), VK_SUCCESS);
  EXPECT_EQ(opened.simulated.live_allocations(), 1U);
  EXPECT_THAT(opened.instance.validation_log().messages, ::testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Rows, HostImport,
                         ::testing::Values("flow-z13-linux-gtt96", "h100-sxm-80gb", "lavapipe"),
                         [](const auto& row) { return std::to_string(row.index); });

TEST(SimulatedDevice, IsLostAtTheSubmissionItIsToldAndStaysLost) {
  Opened opened(kCard);
  VkSemaphoreTypeCreateInfo timeline{VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO};
  timeline.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  VkSemaphoreCreateInfo create{VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
  create.pNext = &timeline;
  VkSemaphore semaphore = VK_NULL_HANDLE;
  ASSERT_EQ(vkCreateSemaphore(opened.device.handle(), &create, nullptr, &semaphore), VK_SUCCESS);
  const auto submit = [&](uint64_t value) {
    VkSemaphoreSubmitInfo signal{VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO};
    signal.semaphore = semaphore;
    signal.value = value;
    VkSubmitInfo2 info{VK_STRUCTURE_TYPE_SUBMIT_INFO_2};
    info.signalSemaphoreInfoCount = 1;
    info.pSignalSemaphoreInfos = &signal;
    return vkQueueSubmit2(opened.device.queue(), 1, &info, VK_NULL_HANDLE);
  };
  const auto wait = [&](uint64_t value) {
    VkSemaphoreWaitInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO};
    info.semaphoreCount = 1;
    info.pSemaphores = &semaphore;
    info.pValues = &value;
    return vkWaitSemaphores(opened.device.handle(), &info, UINT64_MAX);
  };
  opened.simulated.lose_device(simulated::LossPoint::kSubmission, 2);
  EXPECT_EQ(submit(1), VK_SUCCESS);
  EXPECT_EQ(wait(1), VK_SUCCESS);
  EXPECT_EQ(submit(2), VK_ERROR_DEVICE_LOST);
  EXPECT_EQ(wait(2), VK_ERROR_DEVICE_LOST) << "instead of for ever";
  EXPECT_EQ(submit(3), VK_ERROR_DEVICE_LOST);
  EXPECT_EQ(vkDeviceWaitIdle(opened.device.handle()), VK_SUCCESS);
  vkDestroySemaphore(opened.device.handle(), semaphore, nullptr);

  const PlainDevice next(opened.instance);
  EXPECT_EQ(vkQueueSubmit(next.queue(), 0, nullptr, VK_NULL_HANDLE), VK_SUCCESS) << "a new one is whole";
}

TEST(SimulatedDevice, CanBeACpuOfAnyRow) {
  SimulatedOptions options;
  options.as_cpu = true;
  const Opened opened(kCard, options);
  EXPECT_EQ(opened.device.physical().type, VK_PHYSICAL_DEVICE_TYPE_CPU);
  EXPECT_EQ(opened.device.physical().info.name, kCard);
}

TEST(SimulatedDevice, LeavesTheEnvironmentAsItWas) {
  const char* before = std::getenv("VK_INSTANCE_LAYERS");
  { const Opened opened(kCard); }
  EXPECT_EQ(std::getenv("VK_INSTANCE_LAYERS"), before);
  EXPECT_EQ(std::getenv("CALDERA_SIMULATE"), nullptr);
  const vulkan::Instance plain;
  EXPECT_NE(plain.choose("").info.name, kCard);
}

TEST(SimulatedDevice, CountsOverAllDevicesOfTheProcess) {
  Opened opened(kApu);
  PlainDevice second(opened.instance);
  ASSERT_EQ(opened.device.allocate(kApuLocal, kMiB), VK_SUCCESS);
  ASSERT_EQ(second.allocate(kApuLocal, kMiB), VK_SUCCESS);
  EXPECT_EQ(opened.simulated.used(1), 2 * kMiB);
  EXPECT_EQ(opened.simulated.live_allocations(), 2U);
  const vulkan::Instance another;
  EXPECT_EQ(opened.simulated.live_allocations(), 2U) << "an instance more changes nothing";
}

}  // namespace
}  // namespace caldera::test
