#include "engine/page_shift.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "vulkan/recording.hpp"

namespace caldera::engine {
namespace {

/// Of pages that one submission touches: 3 ms at the 50 GB/s of a slow integrated GPU.
constexpr uint64_t kBytesAtOnce = uint64_t{128} << 20;

}  // namespace

void shift_pages(vulkan::Device& device, kernels::Kernels& kernels,
                 std::span<const kernels::RopeShift> shifts, std::span<const kernels::PageMove> moves,
                 std::span<const float> turn, uint64_t page_bytes) {
  const vulkan::Allocation inputs =
      device.memory().allocate(moves.size_bytes() + turn.size_bytes(), vulkan::Residency::kHostWrite,
                               vulkan::Purpose::kActivations, "pages to be shifted");
  std::memcpy(inputs.host(), moves.data(), moves.size_bytes());
  std::memcpy(inputs.host() + moves.size_bytes(), turn.data(), turn.size_bytes());
  const size_t at_once = std::max<uint64_t>(1, kBytesAtOnce / page_bytes);
  std::vector<vulkan::Recording> recordings;
  recordings.reserve((moves.size() + at_once - 1) / at_once);
  for (size_t first = 0; first < moves.size(); first += at_once) {
    vulkan::Recording& recording = recordings.emplace_back(device);
    for (kernels::RopeShift shift : shifts) {
      shift.turn = inputs.address() + moves.size_bytes();
      shift.moves = inputs.address() + first * sizeof(kernels::PageMove);
      shift.pages = static_cast<uint32_t>(std::min(at_once, moves.size() - first));
      kernels.record({&recording, 0, 1, false, 1}, shift);
    }
    recording.finish();
  }
  // Only when nothing can be refused any more: keys must not be left turned by half.
  for (const vulkan::Recording& recording : recordings) {
    const VkCommandBuffer buffer = recording.handle();
    device.submit({&buffer, 1});
  }
  device.wait_all();
}

}  // namespace caldera::engine
