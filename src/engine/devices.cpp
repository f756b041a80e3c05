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
  const auto kernels_of = [](std::string_view what, bool known, std::string_view extension) {
    return known ? fmt::format("{}: built", what)
                 : fmt::format("{}: left out, the shader compiler does not know {}", what, extension);
  };
  return {
      fmt::format("shader compiler: {}", kernels::shader_compiler()),
      kernels_of("kernels for matrix units", kernels::compiler_knows_cooperative_matrix(),
                 "GL_KHR_cooperative_matrix"),
      kernels_of("kernels for matrix units of bf16", kernels::compiler_knows_bfloat16(), "GL_EXT_bfloat16")};
}

}  // namespace caldera
