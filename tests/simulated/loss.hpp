// The ways in which the simulated device is lost.
#pragma once

#include <cstddef>
#include <cstdint>

namespace caldera::simulated {

enum class LossPoint : uint32_t {
  kSubmission,  ///< a submission says so
  kWait,        ///< a wait for a semaphore says so
  kAllocation,  ///< an allocation of memory says so
  kUnsaid,      ///< a submission is taken for done without its work; the next thing asked for says so
  kStuck,       ///< no submission from this one on ever ends, and nothing says so
};
inline constexpr size_t kLossPoints = 5;

/// The `first` time from now (1: the next) that the point is passed, and at each of the `count - 1` after it,
/// the VkDevice that passes it is lost. Devices opened later are whole until they pass it.
struct Loss {
  LossPoint point = LossPoint::kSubmission;
  uint64_t first = 0;  ///< 0: never
  uint64_t count = 1;
};

}  // namespace caldera::simulated
