#include "engine/matrix_speed.hpp"

#include "caldera/error.hpp"
#include "kernels/matrix_speed.hpp"
#include "vulkan/device_lost.hpp"
#include "vulkan/instance.hpp"

namespace caldera::engine {

std::optional<double> matrix_speed(const std::string& device_choice) {
  try {
    const vulkan::Instance instance;
    vulkan::Device device(instance, instance.choose(device_choice));
    vulkan::PipelineStore pipelines(device, {});
    const auto speed = kernels::matrix_speed(device, pipelines);
    if (!speed) return std::nullopt;
    return speed->flop_per_second * 1e-12;
  } catch (const vulkan::DeviceLost&) {
    throw;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kDevice) return std::nullopt;
    throw;
  }
}

}  // namespace caldera::engine
