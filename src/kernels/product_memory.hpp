// The choices that tuning found, kept in a file beside the driver's pipeline cache.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "kernels/memory_file.hpp"
#include "kernels/product_choice.hpp"
#include "vulkan/device.hpp"
#include "vulkan/pipeline_store.hpp"

namespace caldera::kernels {

/// What is remembered of a key.
struct RememberedChoice {
  ProductChoice choice;
  double microseconds = 0;  ///< that a product took when it was chosen; for people who read the file
};
using RememberedChoices = std::map<ProductKey, RememberedChoice>;

/// Where choices for the device of these pipelines are kept: "<uuid of the driver build>.products.json"
/// beside the driver's cache; empty where nothing is kept.
std::filesystem::path product_memory_file(const vulkan::PipelineStore& pipelines);

/// Whose choices: those that a device's workgroups cannot have are no choices.
struct ProductMemoryOwner : MemoryOwner {
  WorkgroupLimits limits;
};
ProductMemoryOwner product_memory_owner(const vulkan::Device& device, const WorkgroupLimits& limits);

/// Reads what write_product_memory() wrote. A file that is missing, damaged, or another owner's counts as
/// empty.
RememberedChoices read_product_memory(const std::filesystem::path& file, const ProductMemoryOwner& owner);

/// Writes the file, whole or not at all, as JSON. Failure to write is not an error: then nothing is
/// remembered.
void write_product_memory(const std::filesystem::path& file, const ProductMemoryOwner& owner,
                          const RememberedChoices& choices);

}  // namespace caldera::kernels
