#include "plan/topology_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "caldera/error.hpp"
#include "plan/usable_heaps.hpp"

namespace caldera::plan {
namespace {

using ::testing::HasSubstr;

void expect_refused(const std::string& json, const std::string& words) {
  try {
    parse_topologies(json, "mine.json");
    ADD_FAILURE() << "accepted: " << json;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    EXPECT_THAT(error.what(), HasSubstr("mine.json"));
    EXPECT_THAT(error.what(), HasSubstr(words));
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
  }
}

/// A file of this test's own, removed with it.
class File {
 public:
  explicit File(const std::string& content)
      : path_(std::filesystem::temp_directory_path() /
              ("caldera_topology_" + std::to_string(std::random_device()()) + ".json")) {
    std::ofstream(path_) << content;
  }
  ~File() { std::filesystem::remove(path_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST(TopologyTable, EveryRowIsADeviceThatCouldExist) {
  ASSERT_EQ(topologies().size(), 13);
  for (const Topology& row : topologies()) {
    SCOPED_TRACE(row.name);
    EXPECT_FALSE(row.machine.empty());
    EXPECT_NE(row.type, DeviceType::kOther);
    for (uint32_t i = 0; i < row.heaps.size(); ++i) {
      EXPECT_GT(row.heaps[i].bytes, 0);
      const auto in_heap = [i](const MemoryType& type) { return type.heap == i; };
      EXPECT_TRUE(std::ranges::any_of(row.types, in_heap)) << "heap " << i;
    }
    for (const MemoryType& type : row.types) {
      ASSERT_LT(type.heap, row.heaps.size());
      EXPECT_FALSE(type.device_local && !row.heaps[type.heap].device_local);
      EXPECT_FALSE((type.host_coherent || type.host_cached) && !type.host_visible);
    }
    EXPECT_TRUE(
        std::ranges::any_of(row.types, [](const auto& t) { return t.host_visible && t.host_coherent; }));
    EXPECT_GT(usable_bytes(usable_heaps(row), Reach::kNear), 0);
  }
}

TEST(TopologyTable, KnowsTheMachineOfTheHeadlineJob) {
  const Topology z13 = find_topology("flow-z13-linux-gtt96");
  EXPECT_TRUE(z13.unified());
  ASSERT_EQ(z13.heaps.size(), 2);
  EXPECT_EQ(z13.heaps[0].bytes, 35787814994);  // 33.33 GiB
  EXPECT_FALSE(z13.heaps[0].device_local);
  EXPECT_EQ(z13.heaps[1].bytes, 71586367406);  // 66.67 GiB
  EXPECT_EQ(z13.max_allocation, 4294967292);
  ASSERT_TRUE(z13.bandwidth);
  EXPECT_EQ(z13.bandwidth->measured, 215);
  EXPECT_EQ(z13.types.size(), 4);
}

TEST(TopologyTable, GivesBothDeviceLocalHeapsTypesOfTheirOwn) {
  const Topology split = find_topology("strix-halo-128-windows-96-split");
  ASSERT_EQ(split.heaps.size(), 3);
  EXPECT_EQ(split.types.size(), 6);
  EXPECT_EQ(usable_heaps(split).size(), 3);
}

TEST(TopologyTable, GivesRowsWithoutTypesTheUsualOnes) {
  const Topology card = find_topology("rx-580-8gb");
  for (const MemoryType& type : card.types) {
    if (type.heap == 0) {
      EXPECT_TRUE(type.device_local && !type.host_visible);
    } else if (type.heap == 1) {
      EXPECT_TRUE(!type.device_local && type.host_visible && type.host_coherent);
    } else {
      EXPECT_TRUE(type.device_local && type.host_visible && type.host_coherent);
    }
  }
}

TEST(TopologyTable, ReadsAFileOfOneTopology) {
  const File file(R"({"name": "mine", "device_type": "integrated", "heaps": [
    {"gib": 1.5, "device_local": true, "budget_gib": 1}, {"bytes": 4096}]})");
  const Topology mine = find_topology(file.path());
  EXPECT_EQ(mine.name, "mine");
  ASSERT_EQ(mine.heaps.size(), 2);
  EXPECT_EQ(mine.heaps[0].bytes, 3U << 29);
  EXPECT_EQ(mine.heaps[0].budget, 1U << 30);
  EXPECT_EQ(mine.heaps[1].bytes, 4096);
  EXPECT_FALSE(mine.heaps[1].device_local);
  EXPECT_FALSE(mine.bandwidth);
  EXPECT_EQ(mine.types.size(), 4);
}

TEST(TopologyTable, ReadsOneOfSeveralInAFile) {
  const File file(R"({"memory_types": {"mine": [{"heap": "device_local", "flags": ["DEVICE_LOCAL"]}]},
    "topologies": [{"name": "a", "heaps": [{"gib": 1, "device_local": true}], "types": "mine"},
                   {"name": "b", "heaps": [{"gib": 2, "device_local": true}], "types": "lavapipe"}]})");
  EXPECT_EQ(find_topology(file.path() + "#b").types.at(0).host_cached, true);
  EXPECT_EQ(find_topology(file.path() + "#a").types.at(0).host_visible, false);
  EXPECT_THROW(find_topology(file.path()), Error);
  EXPECT_THROW(find_topology(file.path() + "#c"), Error);
}

TEST(TopologyTable, SaysWhatThereIsWhereANameIsUnknown) {
  try {
    find_topology("strix");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("'strix'"));
    EXPECT_THAT(error.what(), HasSubstr("flow-z13-linux-gtt96"));
  }
  EXPECT_THROW(find_topology("/"), Error);
  EXPECT_THROW(find_topology(""), Error);
}

TEST(TopologyTable, NamesWhatIsWrongWithAFile) {
  expect_refused("", "not JSON");
  expect_refused("{", "not JSON");
  expect_refused("[]", "is no object");
  expect_refused("{}", "no \"heaps\"");
  expect_refused(R"({"heaps": 1})", "\"heaps\" that is no list");
  expect_refused(R"({"heaps": []})", "no heaps");
  expect_refused(R"({"heaps": [1]})", "heap 0 is no object");
  expect_refused(R"({"heaps": [{}]})", "neither \"bytes\" nor \"gib\"");
  expect_refused(R"({"heaps": [{"gib": -1}]})", "\"gib\"");
  expect_refused(R"({"heaps": [{"gib": 1e300}]})", "\"gib\"");
  expect_refused(R"({"heaps": [{"gib": 1e999}]})", "number");
  expect_refused(R"({"heaps": [{"gib": "8"}]})", "\"gib\"");
  expect_refused(R"({"heaps": [{"gib": 1, "device_local": 1}]})", "neither true nor false");
  expect_refused(R"({"name": "x", "heaps": [{"gib": 1}], "device_type": "gpu"})", "'x': has \"device_type\"");
  expect_refused(R"({"heaps": [{"gib": 1}], "types": "radv"})", "'radv'");
  expect_refused(R"({"heaps": [{"gib": 1}], "types": "m", "memory_types": {"m": [{"heap": "vram"}]}})",
                 "'vram'");
  expect_refused(
      R"({"heaps": [{"gib": 1}], "types": "m", "memory_types": {"m": [{"heap": "host", "flags": ["FAST"]}]}})",
      "'FAST'");
  expect_refused(R"({"heaps": [{"gib": 1}], "bandwidth_gb_s": 215})", "bandwidth_gb_s");
  expect_refused(R"({"topologies": [{"heaps": [{"gib": 1}]}, {}]})", "topology 2");
  std::string many = R"({"heaps": [)";
  for (int i = 0; i < 17; ++i) many += R"({"gib": 1},)";
  many.back() = ']';
  expect_refused(many + "}", "more than 16 heaps");
  expect_refused(std::string(100000, '['), "not JSON");
}

}  // namespace
}  // namespace caldera::plan
