// list_devices() and build_features() of the public interface.
#include <fmt/format.h>

#include "caldera/device.hpp"
#include "kernels/shaders.hpp"
#include "vulkan/instance.hpp"

namespace caldera {

std::vector<DeviceInfo> list_devices(const std::string& choice) {
  const vulkan::Instance instance;
  std::vector<DeviceInfo> infos;
  for (const vulkan::PhysicalDevice& device : instance.devices(choice)) infos.push_back(device.info);
  return infos;
}

std::vector<std::string> build_features() {
  return {fmt::format("shader compiler: {}", kernels::shader_compiler()),
          kernels::compiler_knows_cooperative_matrix()
              ? "cooperative matrix: the shader compiler knows it; no kernel uses it yet"
              : "cooperative matrix: left out, the shader compiler does not know GL_KHR_cooperative_matrix"};
}

}  // namespace caldera
