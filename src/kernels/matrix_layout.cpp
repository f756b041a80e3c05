#include "kernels/matrix_layout.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "kernels/shaders.hpp"
#include "vulkan/recording.hpp"

namespace caldera::kernels {

bool sums_lie_as_left(vulkan::Device& device, vulkan::PipelineStore& pipelines, const UnitShape& shape,
                      uint32_t lanes) {
  if (shape.n != shape.k) return false;
  const vulkan::Allocation agree =
      device.memory().allocate(uint64_t{lanes} * sizeof(uint32_t), vulkan::Residency::kHostRead,
                               vulkan::Purpose::kStaging, "what lanes hold of a matrix");
  auto* answers = reinterpret_cast<uint32_t*>(agree.host());
  std::fill_n(answers, lanes, 0);
  const std::array<uint32_t, 3> specialised = {lanes, shape.m, shape.n};
  const uint64_t address = agree.address();
  const vulkan::Range range{address, agree.bytes()};
  vulkan::Recording recording(device);
  recording.dispatch(pipelines.get(shader("matrix_layout"), specialised, lanes),
                     std::as_bytes(std::span(&address, 1)), {1, 1, 1}, {}, {&range, 1});
  recording.finish();
  const VkCommandBuffer buffer = recording.handle();
  device.wait(device.submit({&buffer, 1}));
  return std::all_of(answers, answers + lanes, [](uint32_t answer) { return answer == 1; });
}

}  // namespace caldera::kernels
