// The error of a device that is gone.
#pragma once

#include <string>

#include "caldera/error.hpp"

namespace caldera::vulkan {

/// The driver gave up on the device, or the device on its work: nothing that lay on it can be read any more,
/// and whatever is asked of it fails alike. Another Device may be opened when all that belongs to this one is
/// gone.
class DeviceLost : public Error {
 public:
  explicit DeviceLost(const std::string& message) : Error(ErrorKind::kDevice, message) {}
};

}  // namespace caldera::vulkan
