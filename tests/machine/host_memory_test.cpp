#include "machine/host_memory.hpp"

#include <gtest/gtest.h>

#include <chrono>

#include "machine/cgroup.hpp"
#include "machine/recorded_tree.hpp"

namespace caldera::test {
namespace {

using machine::available_ram;
using machine::cgroup_memory;
using machine::total_ram;

constexpr uint64_t kGib = uint64_t{1} << 30;
const char* const kMeminfo =
    "MemTotal:       67108864 kB\nMemFree:         1048576 kB\nMemAvailable:   33554432 kB\nBuffers: 1 kB\n";

TEST(HostMemory, IsWhatMeminfoSays) {
  const RecordedTree tree{{"proc/meminfo", kMeminfo}};
  EXPECT_EQ(total_ram(tree.root()), 64 * kGib);
  EXPECT_EQ(available_ram(tree.root()), 32 * kGib);
}

TEST(HostMemory, IsUnknownWhereNothingSays) {
  EXPECT_EQ(available_ram("/no/such/folder"), UINT64_MAX);
  EXPECT_EQ(total_ram("/no/such/folder"), UINT64_MAX);
  for (const char* damaged :
       {"", "MemAvailable:", "MemAvailable: kB", "MemAvailable: x kB\n", "MemAvailable: -1 kB\n",
        "MemAvailable: 99999999999999999999 kB\n", "MemAvailable: 18446744073709551615 kB\n",
        "MemAvailable: 5 MB\n", "XMemAvailable: 5 kB\n"}) {
    const RecordedTree tree{{"proc/meminfo", damaged}};
    EXPECT_EQ(available_ram(tree.root()), UINT64_MAX) << damaged;
  }
}

TEST(HostMemory, IsBoundedByTheControlGroup) {
  const RecordedTree tree(
      {{"proc/meminfo", kMeminfo},
       {"proc/self/cgroup", "0::/a.slice/b.scope\n"},
       {"sys/fs/cgroup/a.slice/b.scope/memory.max", "17179869184\n"},
       {"sys/fs/cgroup/a.slice/b.scope/memory.high", "max\n"},
       {"sys/fs/cgroup/a.slice/b.scope/memory.current", "8589934592\n"},
       {"sys/fs/cgroup/a.slice/b.scope/memory.stat",
        "anon 5\nworkingset_inactive_file 7\ninactive_file 4294967296\nactive_file 9\n"}});
  EXPECT_EQ(total_ram(tree.root()), 16 * kGib);
  EXPECT_EQ(available_ram(tree.root()), 12 * kGib) << "the page cache can be given up";
  EXPECT_EQ(cgroup_memory(tree.root()).group, "/a.slice/b.scope");
}

TEST(HostMemory, IsBoundedByGroupsAbove) {
  const RecordedTree tree{{"proc/meminfo", kMeminfo},
                          {"proc/self/cgroup", "0::/a.slice/b.slice/c.scope\n"},
                          {"sys/fs/cgroup/a.slice/memory.max", "max\n"},
                          {"sys/fs/cgroup/a.slice/memory.high", "4294967296\n"},
                          {"sys/fs/cgroup/a.slice/memory.current", "1073741824\n"},
                          {"sys/fs/cgroup/a.slice/b.slice/c.scope/memory.max", "8589934592\n"},
                          {"sys/fs/cgroup/a.slice/b.slice/c.scope/memory.current", "6442450944\n"}};
  EXPECT_EQ(total_ram(tree.root()), 4 * kGib);
  EXPECT_EQ(available_ram(tree.root()), 2 * kGib) << "8 - 6 below, 4 - 1 above";
  EXPECT_EQ(cgroup_memory(tree.root()).group, "/a.slice");
}

TEST(HostMemory, IsNothingWhenTheGroupIsOverItsLimit) {
  const RecordedTree tree{{"proc/meminfo", kMeminfo},
                          {"proc/self/cgroup", "0::/\n"},
                          {"sys/fs/cgroup/memory.max", "1024\n"},
                          {"sys/fs/cgroup/memory.current", "4096\n"},
                          {"sys/fs/cgroup/memory.stat", "inactive_file 99999999\n"}};
  EXPECT_EQ(available_ram(tree.root()), 1024U) << "more cache than is used cannot be reclaimed";
  EXPECT_EQ(total_ram(tree.root()), 1024U);
}

TEST(HostMemory, KnowsVersion1) {
  // A container: the group that the process is told of is not there, its files lie at the mount.
  const RecordedTree tree(
      {{"proc/meminfo", kMeminfo},
       {"proc/self/cgroup", "11:cpu,cpuacct:/docker/f00\n9:memory:/docker/f00\n0::/init\n"},
       {"sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n"},
       {"sys/fs/cgroup/memory/memory.usage_in_bytes", "1073741824\n"},
       {"sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 536870912\n"}});
  EXPECT_EQ(total_ram(tree.root()), 2 * kGib);
  EXPECT_EQ(available_ram(tree.root()), 3 * kGib / 2);
  const RecordedTree unlimited{{"proc/meminfo", kMeminfo},
                               {"proc/self/cgroup", "9:memory:/\n"},
                               {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}};
  EXPECT_EQ(total_ram(unlimited.root()), 64 * kGib);
  EXPECT_EQ(cgroup_memory(unlimited.root()).limit, UINT64_MAX);
}

TEST(HostMemory, StandsOddGroups) {
  std::string deep = "0::";
  for (int i = 0; i < 10000; ++i) deep += "/x";
  for (const std::string& groups : {std::string("0::/../../outside\n"), std::string("0::\n"),
                                    std::string("::::"), std::string("0"), std::string("0::///\n"), deep}) {
    const RecordedTree tree{{"proc/meminfo", kMeminfo}, {"proc/self/cgroup", groups}};
    EXPECT_EQ(available_ram(tree.root()), 32 * kGib) << groups.substr(0, 40);
  }
}

TEST(HostMemory, OfThisMachineIsReadQuickly) {
  EXPECT_GT(available_ram(), 0U);
  EXPECT_LE(available_ram(), total_ram());
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) available_ram();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_LT(took.count() / 100, 0.01) << "well under a millisecond, on a machine that has nothing else to do";
  RecordProperty("microseconds", static_cast<int>(took.count() * 1e4));
}

}  // namespace
}  // namespace caldera::test
