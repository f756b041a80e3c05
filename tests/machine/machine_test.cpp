#include "machine/machine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "machine/recorded_tree.hpp"
#include "machine/small_file.hpp"

namespace caldera::test {
namespace {

using ::testing::ElementsAre;

TEST(Machine, IsReadFromARecordedTree) {
  const RecordedTree tree("flow-z13-gtt96");
  const machine::Machine found = machine::read_machine(tree.root());
  EXPECT_EQ(found.cpu, "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S");
  ASSERT_EQ(found.gpus.size(), 1U);
  const machine::Gpu& gpu = found.gpus.front();
  EXPECT_EQ(machine::gpu_name(gpu), "AMD Strix Halo");
  EXPECT_TRUE(machine::is_strix_halo(gpu));
  EXPECT_TRUE(gpu.integrated);
  EXPECT_EQ(gpu.address, "0000:c4:00.0");
  EXPECT_EQ(gpu.driver, "amdgpu");
  EXPECT_EQ(gpu.render_node, "renderD128");
  EXPECT_EQ(gpu.vram_total, uint64_t{4} << 30);
  EXPECT_EQ(gpu.gtt_total, uint64_t{96} << 30);
  EXPECT_EQ(machine::free_carve_out(tree.root()), (uint64_t{4} << 30) - (100 << 20));
  EXPECT_EQ(found.kernel.pages_limit, 25165824U);
  EXPECT_FALSE(found.kernel.gtt_mib) << "-1 is none";
  ASSERT_NE(found.kernel.find("ttm", "page_pool_size"), nullptr);
  EXPECT_EQ(found.kernel.find("ttm", "page_pool_size")->where, "/proc/cmdline");
  EXPECT_EQ(found.system.boot, machine::Boot::kNixos);
  EXPECT_EQ(found.system.version, (std::array<int, 3>{7, 1, 0}));
  EXPECT_EQ(found.user.id, 1000U);
  EXPECT_THAT(found.user.groups, ElementsAre(1000, 27, 992, 1000));
  ASSERT_EQ(found.nodes.size(), 1U);
  EXPECT_EQ(found.nodes.front().group_name, "render");
  EXPECT_TRUE(found.nodes.front().accessible);
  EXPECT_EQ(machine::describe_device_nodes(found.nodes), "renderD128 660 0 992\n");
  EXPECT_EQ(found.memory_lock_limit, 8388608U);
}

TEST(Machine, FindsGpusThatNoGraphicsDriverShows) {
  const RecordedTree tree("h100-sxm-80gb");
  const machine::Machine found = machine::read_machine(tree.root());
  ASSERT_EQ(found.gpus.size(), 1U) << "the bridge is no GPU";
  EXPECT_EQ(found.gpus.front().vendor, machine::kVendorNvidia);
  EXPECT_EQ(found.gpus.front().card, "");
  EXPECT_FALSE(found.gpus.front().integrated);
  EXPECT_EQ(machine::free_carve_out(tree.root()), 0U);
}

TEST(Machine, TakesTheKernelsWordForOptions) {
  const RecordedTree tree{
      {"proc/cmdline", "quiet ttm.pages_limit=1 ttm.pages-limit=2 nomodeset amdgpu.gttsize"},
      {"etc/modprobe.d/a.conf", "# x\noptions ttm pages_limit=3\nblacklist ttm\noptions other a=b\n"},
      {"etc/modprobe.d/a.conf.bak", "options ttm pages_limit=4\n"}};
  const machine::KernelOptions found = machine::read_kernel_options(tree.root());
  EXPECT_EQ(found.find("ttm", "pages_limit")->value, "2") << "the last on the command line";
  EXPECT_EQ(found.modules.size(), 3U);
  EXPECT_EQ(found.modules.back().where, "/etc/modprobe.d/a.conf");
  EXPECT_TRUE(found.has_word("nomodeset"));
  EXPECT_EQ(found.find("amdgpu", "gttsize"), nullptr);
}

TEST(Machine, DoesNotWaitForPipesNorReadOnForever) {
  const RecordedTree tree{{"proc/cpuinfo", std::string(10 << 20, 'x')}};
  ASSERT_EQ(mkfifo((tree.root() / "proc/meminfo").c_str(), 0600), 0);
  const machine::Machine found = machine::read_machine(tree.root());
  EXPECT_EQ(found.memory.total, UINT64_MAX);
  EXPECT_EQ(machine::read_small_file(tree.root() / "proc/cpuinfo", 100)->size(), 100U);
  EXPECT_FALSE(machine::read_small_file(tree.root()));
}

TEST(Machine, IsThisOneByDefault) {
  const machine::Machine found = machine::read_machine();
  EXPECT_GT(found.memory.total, 0U);
  EXPECT_NE(found.system.kernel, "");
}

}  // namespace
}  // namespace caldera::test
