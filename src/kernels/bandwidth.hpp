// How fast a device reads memory: the limit that the speed of decoding is measured against.
#pragma once

#include <cstdint>

#include "vulkan/device.hpp"
#include "vulkan/pipeline_store.hpp"

namespace caldera::kernels {

/// What measuring found.
struct ReadSpeed {
  double bytes_per_second = 0;  ///< the best of several runs
  uint32_t sum = 0;             ///< of all 32-bit words read, modulo 2^32: all of the memory was read
};

/// Reads `memory` (its first 8 GiB at most) with plain 16-byte loads, some dozen times or for about a second,
/// timed by the device's timestamps, by the clock where it has none. It must be several times the device's
/// caches, and have been written once: pages that nobody wrote may not be there. Errors: kMemory, kDevice.
ReadSpeed read_speed(vulkan::Device& device, vulkan::PipelineStore& pipelines,
                     const vulkan::Allocation& memory);

}  // namespace caldera::kernels
