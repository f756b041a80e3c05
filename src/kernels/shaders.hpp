// The SPIR-V of every kernel, compiled into the program.
#pragma once

#include <string>
#include <string_view>

#include "quant/format.hpp"
#include "vulkan/pipeline_store.hpp"

namespace caldera::kernels {

/// The kernel of this name ("norm"). Errors: kInternal for a name that was not built.
const vulkan::Shader& shader(std::string_view name);

/// How the rows of a weight matrix lie in memory.
enum class Storage {
  kResident,  ///< repacked for the kernels: quant/resident.hpp
  kFile,      ///< as blocks of the GGUF file: quant/file_layout.hpp
};

/// The variant of a kernel that reads weights of `format` ("matvec", kQ4_K) in this storage.
const vulkan::Shader& shader(std::string_view name, quant::Format format, Storage storage);

/// The name of the shader compiler this program was built with, and whether it knew cooperative matrices, and
/// bf16 in them.
std::string_view shader_compiler();
bool compiler_knows_cooperative_matrix();
bool compiler_knows_bfloat16();

}  // namespace caldera::kernels
