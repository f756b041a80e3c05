// The read bandwidth of a device, as a plain kernel measures it.
#pragma once

#include <optional>
#include <string>

namespace caldera::vulkan {
class Device;
class PipelineStore;
}  // namespace caldera::vulkan

namespace caldera::engine {

/// In 10^9 bytes a second, of the memory that models are put into first; takes a second or two.
/// `device_choice` as in list_devices(). Nothing when there is no such device, or it has no memory left to
/// measure with.
std::optional<double> read_bandwidth(const std::string& device_choice);

/// As above, of an open device. Takes up to 2 GiB of its memory meanwhile (256 MiB of a software device's).
std::optional<double> read_bandwidth(vulkan::Device& device, vulkan::PipelineStore& pipelines);

/// As above, of the host memory that a discrete device reaches over the bus.
std::optional<double> far_read_bandwidth(vulkan::Device& device, vulkan::PipelineStore& pipelines);

}  // namespace caldera::engine
