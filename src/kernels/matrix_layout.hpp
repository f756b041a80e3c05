// How lanes hold the elements of matrices, which VK_KHR_cooperative_matrix leaves to the device.
#pragma once

#include <cstdint>

#include "kernels/matrix_tiles.hpp"
#include "vulkan/device.hpp"
#include "vulkan/pipeline_store.hpp"

namespace caldera::kernels {

/// Whether subgroups of `lanes` hold sums of `shape` in f32 as they hold left matrices of f16, element by
/// element: the device is asked. `shape` is one that it has. Errors: kMemory, kDevice.
bool sums_lie_as_left(vulkan::Device& device, vulkan::PipelineStore& pipelines, const UnitShape& shape,
                      uint32_t lanes);

}  // namespace caldera::kernels
