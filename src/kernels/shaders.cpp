#include "kernels/shaders.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "caldera/error.hpp"
#include "kernels/shader_list.hpp"

namespace caldera::kernels {

const vulkan::Shader& shader(std::string_view name) {
  const std::span<const vulkan::Shader> all = shader_list();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const vulkan::Shader& entry) { return entry.name == name; });
  if (found == all.end()) throw Error(ErrorKind::kInternal, fmt::format("there is no kernel named {}", name));
  return *found;
}

const vulkan::Shader& shader(std::string_view name, quant::Format format, Storage storage) {
  // Plain numbers lie in the file as they do in the resident layout.
  const bool blocks = storage == Storage::kFile && quant::info(format).block_elements > 1;
  return shader(fmt::format("{}_{}{}", name, blocks ? "file_" : "", quant::info(format).name));
}

std::string_view shader_compiler() {
  return CALDERA_SHADER_COMPILER;
}
bool compiler_knows_cooperative_matrix() {
  return CALDERA_COOPERATIVE_MATRIX != 0;
}
bool compiler_knows_bfloat16() {
  return CALDERA_BFLOAT16 != 0;
}

}  // namespace caldera::kernels
