// What AMD's compiler makes of the kernels that decode, on a GPU that is not there (script/with-radv).
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "assembly.hpp"
#include "engine_kernels.hpp"

namespace caldera::isa {
namespace {

struct Compiled {
  std::string driver;
  std::vector<Kernel> kernels;
};

/// Compiled once for all tests: some seconds.
const Compiled& compiled() {
  static const Compiled all = [] {
    const vulkan::Instance instance;
    vulkan::Device device(instance, instance.choose(""), {.compile_only = true});
    std::vector<Case> cases = engine_cases();
    std::erase_if(cases, [](const Case& one) { return !one.decoding; });
    return Compiled{device.physical().info.driver, compile(device, cases)};
  }();
  return all;
}

std::string name_of(const Kernel& kernel) {
  return fmt::format("{} ({}), constants {}", kernel.compiled.name, kernel.of.what,
                     fmt::join(kernel.compiled.constants, " "));
}

/// Queries or sums of many columns that stay in registers.
bool fills_registers(const Kernel& kernel) {
  return kernel.of.columns > 4 || kernel.compiled.name.starts_with("decode_attention") ||
         kernel.compiled.name == "attention";
}

/// Subgroups that a SIMD must be able to hold. To read 215 GB/s with a latency of about a microsecond, each
/// of 80 SIMDs must have 2.7 KB under way: 4 subgroups with two loads of 16 bytes a lane have 4 KB. What
/// loads less at once needs more of them.
double least_subgroups(const Kernel& kernel) {
  const bool two_loads =
      kernel.compiled.name.starts_with("matvec_int8") || kernel.compiled.name.starts_with("matvec_units");
  return fills_registers(kernel) || two_loads ? 4 : 8;
}

TEST(DecodingCodeTest, NoKernelSpills) {
  // Mesa 22 keeps ten subgroups a SIMD even at the price of spills; no release of it knows gfx1151.
  const bool thrifty = compiled().driver.find("Mesa 22.") != std::string::npos;
  for (const Kernel& kernel : compiled().kernels) {
    if (!kernel.of.decoding || (thrifty && fills_registers(kernel))) continue;
    EXPECT_EQ(kernel.compiled.statistic("Spilled VGPRs"), 0) << name_of(kernel);
    EXPECT_EQ(kernel.compiled.statistic("Spilled SGPRs"), 0) << name_of(kernel);
    EXPECT_EQ(kernel.compiled.statistic("Scratch size"), 0) << name_of(kernel);
  }
}

TEST(DecodingCodeTest, EnoughSubgroupsHideTheLatencyOfMemory) {
  for (const Kernel& kernel : compiled().kernels) {
    if (!kernel.of.decoding) continue;
    EXPECT_GE(kernel.compiled.subgroups_a_simd(), least_subgroups(kernel)) << name_of(kernel);
  }
}

TEST(DecodingCodeTest, ProductsOfOneColumnHaveEnoughUnderWay) {
  // As above, twice over: part of what is loaded are activations, which lie in caches.
  constexpr double kNeeded = 2 * 215e9 * 1e-6 / 80;
  for (const Kernel& kernel : compiled().kernels) {
    if (kernel.weights_a_turn == 0 || kernel.of.columns != 1) continue;
    const auto loop = hot_loop(kernel.compiled.assembly);
    ASSERT_TRUE(loop.has_value()) << name_of(kernel);
    EXPECT_GE(kernel.compiled.subgroups_a_simd() * kernel.compiled.subgroup * loop->under_way, kNeeded)
        << name_of(kernel);
  }
}

TEST(DecodingCodeTest, ProductsOfOneColumnKeepUpWithMemory) {
  // What 40 compute units of 64 lanes at 2.9 GHz can do while 215 GB/s deliver a weight.
  constexpr double kCyclesPerByte = 40 * 64 * 2.9e9 / 215e9;
  int products = 0;
  for (const Kernel& kernel : compiled().kernels) {
    if (kernel.weights_a_turn == 0 || kernel.of.columns != 1 || kernel.of.input == kernels::Input::kF32)
      continue;
    const auto loop = hot_loop(kernel.compiled.assembly);
    ASSERT_TRUE(loop.has_value()) << name_of(kernel);
    const double bytes = kernel.weights_a_turn * bytes_a_weight(*kernel.of.format);
    EXPECT_LT(loop->mix.valu_cycles, 0.9 * bytes * kCyclesPerByte) << name_of(kernel);
    ++products;
  }
  EXPECT_GT(products, 0);
}

}  // namespace
}  // namespace caldera::isa
