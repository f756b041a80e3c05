// Matrix units of every shape that drivers report: there are tiles for each, for products and for attention.
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/matrix_tiles.hpp"
#include "kernels/prompt_attention.hpp"
#include "quant/format.hpp"

namespace caldera::kernels {
namespace {

constexpr uint32_t kKiB = 1024;

struct Gpu {
  const char* name;
  MatrixUnits units;
  bool loads_turned = false;
  bool halves_twice = false;
};

/// Shapes of f16 with sums in f32 by VK_KHR_cooperative_matrix, lanes, and limits of a workgroup, as
/// https://vulkan.gpuinfo.org lists them.
std::vector<Gpu> gpus() {
  const auto intel = [](UnitShape shape, uint32_t subgroup) {
    return MatrixUnits{{shape}, subgroup, 1024, 64 * kKiB, false};
  };
  return {
      {"NVIDIA", {{{16, 16, 16}, {16, 8, 16}, {16, 8, 8}}, 32, 1024, 48 * kKiB, false}, true},
      {"NVIDIA, one shape", {{{16, 8, 16}}, 32, 1024, 48 * kKiB, false}, true},
      {"NVIDIA, the smallest", {{{16, 8, 8}}, 32, 1024, 48 * kKiB, false}, true},
      {"AMD, wave32", {{{16, 16, 16}}, 32, 1024, 64 * kKiB, false}, false, true},
      {"AMD, wave64", {{{16, 16, 16}}, 64, 1024, 64 * kKiB, false}, false, true},
      {"Intel Xe2, 16 lanes", intel({8, 16, 16}, 16)},
      {"Intel Xe2, 32 lanes", intel({8, 16, 16}, 32)},
      {"Intel Xe-HPG, 8 lanes", intel({8, 8, 16}, 8)},
      {"Intel Xe-HPG, 16 lanes", intel({8, 8, 16}, 16)},
      {"Intel Xe-HPG, 32 lanes", intel({8, 8, 16}, 32)},
  };
}

TEST(UnitShapes, HaveTilesForProducts) {
  for (const Gpu& gpu : gpus()) {
    SCOPED_TRACE(gpu.name);
    for (const quant::FormatInfo& info : quant::formats()) {
      for (uint32_t tokens = 16; tokens <= 2048; tokens *= 2) {
        const std::vector<MatrixTiles> all = matrix_candidates({info.format, 4096, 4096, tokens}, gpu.units);
        EXPECT_TRUE(std::ranges::all_of(
            all, [&](const MatrixTiles& tiles) { return possible(tiles, info.format, gpu.units); }));
        EXPECT_GE(all.size(), 2U) << info.name << ", " << tokens << " tokens: there is something to choose";
      }
    }
  }
}

TEST(UnitShapes, OfBf16AreForWeightsInBf16) {
  const UnitShape half{16, 16, 16};
  const UnitShape bf16{16, 8, 16};
  MatrixUnits units{{half}, 32, 1024, 48 * kKiB, false};
  EXPECT_FALSE(takes_bf16(quant::Format::kBF16, units));
  units.bf16_shapes = {bf16};
  for (const quant::FormatInfo& info : quant::formats()) {
    const bool taken = info.format == quant::Format::kBF16;
    EXPECT_EQ(takes_bf16(info.format, units), taken) << info.name;
    for (const MatrixTiles& tiles : matrix_candidates({info.format, 4096, 4096, 512}, units)) {
      EXPECT_EQ(tiles.shape, taken ? bf16 : half) << info.name;
      EXPECT_TRUE(possible(tiles, info.format, units)) << info.name;
    }
  }
}

TEST(UnitShapes, HaveTilesForAttention) {
  for (const Gpu& gpu : gpus()) {
    SCOPED_TRACE(gpu.name);
    const AttentionUnits units{gpu.units, gpu.loads_turned, gpu.halves_twice};
    for (const uint32_t head : {64U, 80U, 96U, 112U, 128U, 160U, 192U, 256U}) {
      const std::vector<MatrixAttention> all = attention_candidates(head, units);
      // The sums of 8 rows of a long head alone are more than the registers of 8 lanes.
      const bool too_long = gpu.units.subgroup <= 8 && head > 160;
      EXPECT_EQ(all.empty(), too_long) << "heads of " << head;
      for (const MatrixAttention& sizes : all) EXPECT_TRUE(possible(sizes, head, units));
    }
  }
}

}  // namespace
}  // namespace caldera::kernels
