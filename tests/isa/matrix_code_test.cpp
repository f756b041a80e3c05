// What AMD's compiler makes of the kernels of matrix units, on a GPU that is not there (script/with-radv).
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "kernels/shaders.hpp"
#include "matrix_prediction.hpp"

namespace caldera::isa {
namespace {

/// Kernels that prompts are read with, each once. Empty where the driver or the shader compiler has no
/// matrices.
const std::vector<Kernel>& compiled() {
  static const std::vector<Kernel> all = [] {
    const vulkan::Instance instance;
    vulkan::Device device(instance, instance.choose(""), {.compile_only = true});
    if (device.physical().matrix_shapes.empty() || !kernels::compiler_knows_cooperative_matrix()) {
      return std::vector<Kernel>();
    }
    std::vector<Case> cases = engine_cases();
    std::erase_if(cases, [](const Case& one) { return one.decoding || !one.main; });
    std::vector<Kernel> kernels = compile(device, cases);
    std::erase_if(kernels, [](const Kernel& kernel) { return !uses_matrix_units(kernel); });
    return kernels;
  }();
  return all;
}

std::string name_of(const Kernel& kernel) {
  return fmt::format("{} ({}), constants {}", kernel.compiled.name, kernel.of.what,
                     fmt::join(kernel.compiled.constants, " "));
}

class MatrixCodeTest : public testing::Test {
 protected:
  void SetUp() override {
    // The kernels are not in this build then, or this RADV (of Mesa 22) shows no units: nothing to judge.
    if (compiled().empty()) GTEST_SKIP() << "no matrix units, or a shader compiler that does not know them";
  }
};

TEST_F(MatrixCodeTest, NoKernelSpills) {
  for (const Kernel& kernel : compiled()) {
    // Matrices in f32 are loaded in twice as many registers as others, and no model that is run for speed has
    // any.
    if (kernel.of.format == quant::Format::kF32) continue;
    EXPECT_EQ(kernel.compiled.statistic("Spilled VGPRs"), 0) << name_of(kernel);
    EXPECT_EQ(kernel.compiled.statistic("Spilled SGPRs"), 0) << name_of(kernel);
    EXPECT_EQ(kernel.compiled.statistic("Scratch size"), 0) << name_of(kernel);
  }
}

TEST_F(MatrixCodeTest, LoopsAreOfMatrixInstructions) {
  for (const Kernel& kernel : compiled()) {
    const auto loop = matrix_loop(kernel.compiled);
    ASSERT_TRUE(loop.has_value()) << name_of(kernel);
    EXPECT_GE(loop->mix.wmma, 4) << name_of(kernel);
  }
}

TEST_F(MatrixCodeTest, TwoSubgroupsShareASimd) {
  // So that one multiplies while the other waits for memory or at a barrier.
  for (const Kernel& kernel : compiled()) EXPECT_GE(kernel.compiled.subgroups_a_simd(), 2) << name_of(kernel);
}

TEST_F(MatrixCodeTest, HalfOfTheMatrixUnitsIsUsed) {
  // 30 TFLOP/s: llama.cpp reads prompts of a dense 27B in Q4_K_M at 14 on Strix Halo.
  const Machine machine = strix_halo();
  for (const Kernel& kernel : compiled()) {
    const auto loop = matrix_loop(kernel.compiled);
    ASSERT_TRUE(loop.has_value()) << name_of(kernel);
    EXPECT_GE(loop->speed(machine), 0.5 * MatrixLoop::limit(machine)) << name_of(kernel);
  }
}

}  // namespace
}  // namespace caldera::isa
