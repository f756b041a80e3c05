// A command buffer recorded once and submitted many times, with barriers placed from what each dispatch
// touches.
#pragma once

#include <vulkan/vulkan.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vulkan/device.hpp"
#include "vulkan/pipeline_store.hpp"
#include "vulkan/stopwatch.hpp"
#include "vulkan/timestamps.hpp"

namespace caldera::vulkan {

/// A range of device addresses that a dispatch reads or writes.
struct Range {
  uint64_t address = 0;
  uint64_t bytes = 0;
  bool overlaps(const Range& other) const {
    return address < other.address + other.bytes && other.address < address + bytes;
  }
};

/// What a recording holds, for reports.
struct RecordingShape {
  uint32_t dispatches = 0;
  uint32_t barriers = 0;
};

/// Records compute work. A barrier is placed before a dispatch exactly when it touches what an earlier
/// dispatch since the last barrier wrote, or writes what one of them read. Recordings follow each other
/// safely: each begins with a barrier against everything before it, and ends by making its results visible to
/// the host. On a device that only compiles, dispatches and barriers are counted and nothing is recorded.
class Recording {
 public:
  /// With `timestamps`, every dispatch is timed; with `stopwatch`, the recording as a whole: from when all
  /// that was submitted before is done until it is done itself. Both are this recording's alone and must
  /// outlive it; it may then be submitted again only after it is done.
  explicit Recording(Device& device, Timestamps* timestamps = nullptr, const Stopwatch* stopwatch = nullptr);
  ~Recording();
  Recording(Recording&& other) noexcept;
  Recording& operator=(Recording&&) = delete;

  /// `constants` at most kMaxConstantBytes. Ranges that no dispatch ever writes (weights) need not be listed.
  void dispatch(const Pipeline& pipeline, std::span<const std::byte> constants,
                std::array<uint32_t, 3> groups, std::span<const Range> reads, std::span<const Range> writes);

  /// Ends recording; after it the buffer may be submitted any number of times, also while still running
  /// unless it is timed.
  void finish();

  VkCommandBuffer handle() const { return buffer_; }
  const RecordingShape& shape() const { return shape_; }

 private:
  void barrier(VkPipelineStageFlags2 to_stage, VkAccessFlags2 to_access);

  Device* device_;
  Timestamps* timestamps_;
  const Stopwatch* stopwatch_;
  VkCommandBuffer buffer_ = VK_NULL_HANDLE;
  std::vector<Range> reads_;   ///< since the last barrier
  std::vector<Range> writes_;  ///< since the last barrier
  RecordingShape shape_;
};

}  // namespace caldera::vulkan
