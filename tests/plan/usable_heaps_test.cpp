#include "plan/usable_heaps.hpp"

#include <gtest/gtest.h>

#include "plan/topology_table.hpp"

namespace caldera::plan {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

TEST(UsableHeaps, UnifiedDevicesUseEveryHeapTheirOwnFirst) {
  const Topology z13 = find_topology("flow-z13-linux-gtt96");
  const std::vector<UsableHeap> heaps = usable_heaps(z13);
  ASSERT_EQ(heaps.size(), 2);
  EXPECT_EQ(heaps[0].heap, 1);
  EXPECT_EQ(heaps[1].heap, 0);
  EXPECT_EQ(heaps[1].reach, Reach::kNear);
  EXPECT_EQ(usable_bytes(heaps, Reach::kNear), z13.heaps[0].bytes + z13.heaps[1].bytes - kGiB);
  EXPECT_EQ(usable_bytes(heaps, Reach::kFar), 0);
}

TEST(UsableHeaps, DiscreteDevicesReachTheHostsFromAfarAndSkipTheWindow) {
  const Topology card = find_topology("rx-580-8gb");
  const std::vector<UsableHeap> heaps = usable_heaps(card);
  ASSERT_EQ(heaps.size(), 2);
  EXPECT_EQ(heaps[0].heap, 0);
  EXPECT_EQ(heaps[0].reach, Reach::kNear);
  EXPECT_EQ(heaps[1].heap, 1);
  EXPECT_EQ(heaps[1].reach, Reach::kFar);
  EXPECT_TRUE(is_window(card, 2));
  EXPECT_FALSE(is_window(card, 0));
}

TEST(UsableHeaps, KeepsToTheBudget) {
  Topology z13 = find_topology("flow-z13-linux-gtt96");
  z13.heaps[1].budget = 10 * kGiB;
  z13.heaps[0].budget = 0;
  const std::vector<UsableHeap> heaps = usable_heaps(z13);
  EXPECT_EQ(heaps[0].bytes, 10 * kGiB - heaps[0].reserve);
  EXPECT_EQ(heaps[1].bytes, 0);
}

TEST(UsableHeaps, TakesOnlyTypesThatBuffersMayLieIn) {
  const Topology z13 = find_topology("flow-z13-linux-gtt96");
  EXPECT_TRUE(usable_heaps(z13, 0).empty());
  const std::vector<UsableHeap> unmapped = usable_heaps(z13, UINT32_MAX, false);
  EXPECT_FALSE(z13.types[unmapped[0].type].host_visible);
  const std::vector<UsableHeap> mapped = usable_heaps(z13);
  EXPECT_TRUE(z13.types[mapped[0].type].host_visible);
}

}  // namespace
}  // namespace caldera::plan
