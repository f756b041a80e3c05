// How much memory a model can have on a machine: now, and at its best. Pure arithmetic over what was read.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "caldera/device.hpp"
#include "machine/machine.hpp"

namespace caldera::cli {

/// What the settings of an AMD processor with graphics could be, in bytes.
struct BestSettings {
  uint64_t carve_out = 0;  ///< own memory of the GPU, set in the firmware
  uint64_t gtt = 0;        ///< the system's memory that the GPU may map, set for the kernel
};

/// In bytes.
struct Capacity {
  uint64_t now = 0;      ///< what a model gets if it is loaded now, at the speed of the device's memory
  uint64_t far_now = 0;  ///< what it gets after that across the bus of a discrete device
  uint64_t granted = 0;  ///< what `now` is when no other program uses memory
  uint64_t could = 0;    ///< what `granted` could be on this machine
  std::optional<BestSettings> best;  ///< where settings decide it
};

/// Left to the system by the settings that `could` assumes: 1/16 of its memory, at least 8 GiB. A desktop
/// with a browser holds 4 to 6 GiB; reading a model takes up to 1 GiB; what remains caches files. Below that
/// the kernel ends programs while a model is loaded.
uint64_t system_reserve(uint64_t ram);

/// The device that a model would be loaded to; nullptr where there is none.
const DeviceInfo* device_for_models(const std::vector<DeviceInfo>& devices);

/// The GPU that is part of the processor and belongs to AMD's driver, where the model's device is that, or no
/// GPU can be reached at all; nullptr otherwise.
const machine::Gpu* shared_memory_gpu(const machine::Machine& machine, const DeviceInfo* device);

Capacity capacity_of(const machine::Machine& machine, const DeviceInfo* device);

}  // namespace caldera::cli
