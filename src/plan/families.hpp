// Models known by name, so that they can be planned for and measured without a file.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "plan/model_shape.hpp"

namespace caldera::plan {

/// The dimensions of a published model, as its config.json states them.
struct Family {
  std::string_view name;          ///< "llama-3.1-8b"
  std::string_view architecture;  ///< as GGUF calls it
  uint32_t layers;
  uint32_t width;
  uint32_t vocabulary;
  uint32_t context;
  bool tied;
  double rope_base;
  double norm_epsilon;
  LayerShape layer;  ///< they are all alike
};

std::span<const Family> families();

/// The model that "FAMILY:FORMAT" means, such as "llama-3.1-405b:iq1_s": a family and one of mixtures().
/// Errors: kUsage, listing what there is.
ModelShape shape_named(std::string_view name);

/// Whether `name` is meant for shape_named(): it begins with a family's name, or has the form of one and is
/// no path.
bool names_shape(std::string_view name);

}  // namespace caldera::plan
