// How fast a device's matrix units are, as a kernel measures that uses nothing else.
#pragma once

#include <optional>
#include <string>

namespace caldera::engine {

/// In 10^12 FLOP/s, f16 into f32; takes some tenths of a second. `device_choice` as in list_devices().
/// Nothing when there is no such device, or no matrix unit that kernels here can use.
std::optional<double> matrix_speed(const std::string& device_choice);

}  // namespace caldera::engine
