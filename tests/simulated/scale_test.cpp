// Rows of the table, divided.
#include <gtest/gtest.h>

#include <cstdlib>

#include "gguf/expect_error.hpp"
#include "simulated/shown_device.hpp"

namespace caldera::simulated {
namespace {

using gguf::expect_error;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

TEST(Scale, IsADivisorOrATotal) {
  EXPECT_EQ(parse_scale("1", 5), 1);
  EXPECT_EQ(parse_scale("2.5", 5), 2.5);
  EXPECT_EQ(parse_scale("total:256MiB", 128 * kGiB), 512);
  EXPECT_EQ(parse_scale("total:1073741824", 4 * kGiB), 4);
  EXPECT_EQ(parse_scale("total:0.5GiB", 4 * kGiB), 8);
}

TEST(Scale, RefusesWhatIsNone) {
  for (const char* text : {"", "0", "-2", "0.5", "nan", "inf", "x", "2x", "total:", "total:0", "total:-1MiB",
                           "total:1TiB", "total:8GiB", "1e999"}) {
    SCOPED_TRACE(text);
    expect_error(ErrorKind::kUsage, {"CALDERA_SIMULATE_SCALE", "divisor"},
                 [&] { parse_scale(text, 4 * kGiB); });
  }
}

TEST(Scale, DividesEverySize) {
  plan::Topology row;
  row.heaps = {{96 * kGiB, true, 90 * kGiB}, {32 * kGiB, false, {}}};
  row.max_allocation = 4294967292;
  row.max_buffer = 1024 * kGiB;
  const plan::Topology small = scale_topology(row, 64);
  EXPECT_EQ(small.heaps[0].bytes, 1536 * kMiB);
  EXPECT_EQ(small.heaps[0].budget, 1440 * kMiB);
  EXPECT_EQ(small.heaps[1].bytes, 512 * kMiB);
  EXPECT_FALSE(small.heaps[1].budget);
  EXPECT_EQ(small.max_allocation, 4294967292 / 64);
  EXPECT_EQ(small.max_buffer, 16 * kGiB);
  EXPECT_EQ(small.max_storage_range, 32 * kMiB) << "unknown: 2 GiB";
  EXPECT_EQ(scale_topology(row, 1e6).max_allocation, 32 * kMiB) << "never less";
  EXPECT_EQ(scale_topology(row, 1).max_allocation, 4294967292);
}

class Setting : public ::testing::Test {
 protected:
  void SetUp() override { setenv("CALDERA_SIMULATE", "lavapipe", 1); }
  void TearDown() override {
    for (const char* name : {"CALDERA_SIMULATE", "CALDERA_SIMULATE_TYPE", "CALDERA_SIMULATE_BUDGET",
                             "CALDERA_SIMULATE_ALLOCATIONS"}) {
      unsetenv(name);
    }
  }
};

TEST_F(Setting, IsReadFromTheEnvironment) {
  EXPECT_EQ(shown_device().max_allocations, 4096U);
  setenv("CALDERA_SIMULATE_ALLOCATIONS", "7", 1);
  setenv("CALDERA_SIMULATE_BUDGET", "enforced", 1);
  setenv("CALDERA_SIMULATE", "h100-sxm-80gb", 1);
  EXPECT_EQ(shown_device().topology.type, plan::DeviceType::kDiscrete);
  setenv("CALDERA_SIMULATE_TYPE", "cpu", 1);
  const ShownDevice shown = shown_device();
  EXPECT_EQ(shown.max_allocations, 7U);
  EXPECT_TRUE(shown.enforce_budget);
  EXPECT_FALSE(shown.refuse_imports);
  EXPECT_EQ(shown.topology.type, plan::DeviceType::kCpu);
}

TEST_F(Setting, IsRefusedIfUnknown) {
  setenv("CALDERA_SIMULATE_BUDGET", "strict", 1);
  expect_error(ErrorKind::kUsage, {"CALDERA_SIMULATE_BUDGET", "strict", "enforced"}, [] { shown_device(); });
  unsetenv("CALDERA_SIMULATE_BUDGET");
  setenv("CALDERA_SIMULATE_ALLOCATIONS", "5000000000", 1);
  expect_error(ErrorKind::kUsage, {"CALDERA_SIMULATE_ALLOCATIONS", "5000000000"}, [] { shown_device(); });
  unsetenv("CALDERA_SIMULATE_ALLOCATIONS");
  setenv("CALDERA_SIMULATE", "no-such-row", 1);
  expect_error(ErrorKind::kUsage, {"no-such-row"}, [] { shown_device(); });
  setenv("CALDERA_SIMULATE", "", 1);
  expect_error(ErrorKind::kUsage, {"CALDERA_SIMULATE"}, [] { shown_device(); });
}

}  // namespace
}  // namespace caldera::simulated
