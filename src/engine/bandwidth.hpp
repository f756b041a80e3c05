// The read bandwidth of a device, as a plain kernel measures it.
#pragma once

#include <optional>
#include <string>

#include "plan/usable_heaps.hpp"

namespace caldera::vulkan {
class Device;
class PipelineStore;
}  // namespace caldera::vulkan

namespace caldera::engine {

/// In 10^9 bytes a second; takes a second or two. `device_choice` as in list_devices(). `reach`: of the
/// memory that models are put into first, or of the host memory that a discrete device reaches across the
/// bus. Nothing when there is no such device or memory, or no room in it to measure with.
std::optional<double> read_bandwidth(const std::string& device_choice,
                                     plan::Reach reach = plan::Reach::kNear);

/// As above, of an open device. Takes up to 2 GiB of its memory meanwhile (256 MiB of a software device's).
std::optional<double> read_bandwidth(vulkan::Device& device, vulkan::PipelineStore& pipelines,
                                     plan::Reach reach = plan::Reach::kNear);

}  // namespace caldera::engine
