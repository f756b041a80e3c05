// What the user is told of a lost device.
#pragma once

#include <functional>

#include "caldera/model.hpp"

namespace caldera::cli {

/// For LoadOptions::on_device_lost: a line on standard error when the device is lost and one when it is back,
/// and a progress bar between them; nothing of it with `quiet`. Ctrl-C ends the wait.
std::function<bool(const DeviceLoss&)> device_loss_reporter(bool quiet);

}  // namespace caldera::cli
