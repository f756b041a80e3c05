// How fast a device's matrix units multiply: the limit that the speed of reading prompts is measured against.
#pragma once

#include <optional>

#include "vulkan/device.hpp"
#include "vulkan/pipeline_store.hpp"

namespace caldera::kernels {

/// What measuring found.
struct MatrixSpeed {
  double flop_per_second = 0;   ///< the best of several runs; a multiplication and an addition are two
  vulkan::MatrixShape shape;    ///< of the instruction that was fastest
  bool sums_are_right = false;  ///< of every subgroup of every run: all of the work was done
};

/// Multiplies matrices of f16 in registers, with sums in f32, for some tenths of a second, timed as in
/// read_speed(). Nothing without VK_KHR_cooperative_matrix in those types, or where the shader compiler did
/// not know it. Errors: kMemory, kDevice.
std::optional<MatrixSpeed> matrix_speed(vulkan::Device& device, vulkan::PipelineStore& pipelines);

}  // namespace caldera::kernels
