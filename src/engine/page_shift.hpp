// Turning the keys of a sequence's pages back, when tokens before them were dropped.
#pragma once

#include <span>

#include "kernels/kernels.hpp"
#include "kernels/state.hpp"
#include "vulkan/device.hpp"

namespace caldera::engine {

/// Runs `shifts` (which together cover all layers) over `moves`, with `turn` as model::rope_turn() makes it,
/// in submissions that any device does in well under 100 ms, and waits. `page_bytes`: of all layers.
/// Errors: kMemory (then nothing was turned), kDevice.
void shift_pages(vulkan::Device& device, kernels::Kernels& kernels,
                 std::span<const kernels::RopeShift> shifts, std::span<const kernels::PageMove> moves,
                 std::span<const float> turn, uint64_t page_bytes);

}  // namespace caldera::engine
