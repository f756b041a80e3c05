// What a test may ask and tell the layer that is loaded into its own process. Plain C types: layer and test
// hold separate copies of everything else.
#pragma once

#include <cstdint>

#include "simulated/loss.hpp"

namespace caldera::simulated {

/// The functions of SimulatedDevice (simulated_device.hpp), which says what they do.
struct Control {
  const char* (*open)();  ///< reads the environment; returns null, or an error that stays until the next call
  void (*reset)();
  void (*set_budget)(uint32_t heap, uint64_t bytes);
  void (*enforce_budget)(bool enforced);
  void (*refuse_imports)(bool refused);
  void (*refuse_allocations)(uint64_t first, uint64_t count);
  void (*lose_device)(const Loss& loss);
  uint64_t (*used)(uint32_t heap);
  uint64_t (*imported)();
  uint64_t (*live_allocations)();
  uint64_t (*total_allocations)();
  uint64_t (*largest_asked)();
};

/// The layer's exported function: const Control* caldera_simulated_device_control().
inline constexpr char kControlSymbol[] = "caldera_simulated_device_control";
using GetControl = const Control* (*)();

}  // namespace caldera::simulated
