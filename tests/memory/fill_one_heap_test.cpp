// Where a program stops that fills the first device-local heap, as many do, beside what the device would
// give. Figures are printed in the size of the real machine.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "memory/first_local_heap.hpp"
#include "plan/usable_heaps.hpp"
#include "simulated/every_row.hpp"
#include "simulated/plain_device.hpp"
#include "simulated/simulated_device.hpp"

namespace caldera::test {
namespace {

constexpr uint64_t kLeastChunk = uint64_t{1} << 20;

class FillOneHeap : public ::testing::TestWithParam<std::string> {};

uint64_t sum(const plan::Topology& topology) {
  uint64_t bytes = 0;
  for (const plan::Heap& heap : topology.heaps) bytes += heap.bytes;
  return bytes;
}

TEST_P(FillOneHeap, StopsBeforeTheDeviceDoes) {
  const SimulatedDevice simulated(GetParam());
  const vulkan::Instance instance;
  PlainDevice device(instance);
  const plan::Topology& shown = simulated.topology();
  const uint32_t type = first_local_type(shown);
  uint64_t filled = 0;
  for (uint64_t chunk = shown.max_allocation; chunk >= kLeastChunk; chunk /= 2) {
    while (device.allocate(type, chunk) == VK_SUCCESS) filled += chunk;
  }
  const plan::Heap& heap = shown.heaps[shown.types[type].heap];
  EXPECT_EQ(filled, simulated.used(shown.types[type].heap));
  EXPECT_LE(filled, heap.bytes);
  EXPECT_GT(filled + 2 * kLeastChunk, heap.bytes) << "it does fill that heap";

  const std::vector<plan::UsableHeap> usable = plan::usable_heaps(shown);
  const uint64_t near = plan::usable_bytes(usable, plan::Reach::kNear);
  const uint64_t far = plan::usable_bytes(usable, plan::Reach::kFar);
  if (usable.size() > 1) {
    EXPECT_LT(filled, near + far);
  }
  const double scale =
      static_cast<double>(sum(plan::find_topology(GetParam()))) / static_cast<double>(sum(shown)) / 0x1p30;
  std::printf("%-31s one heap %6.2f GiB   all heaps %6.2f GiB near, %5.2f GiB far   %3.0f %%\n",
              GetParam().c_str(), static_cast<double>(filled) * scale, static_cast<double>(near) * scale,
              static_cast<double>(far) * scale,
              100 * static_cast<double>(near + far) / static_cast<double>(filled));
}

INSTANTIATE_TEST_SUITE_P(Rows, FillOneHeap, ::testing::ValuesIn(row_names()), row_test_name);

}  // namespace
}  // namespace caldera::test
