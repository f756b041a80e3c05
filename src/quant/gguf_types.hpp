// Every tensor type that a GGUF file may name, also those that Caldera cannot compute with: names and sizes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace caldera::quant {

/// How a tensor type stores weights.
struct GgufType {
  uint32_t type;
  std::string_view name;
  uint32_t block_elements;  ///< 0 if its layout is not known
  uint32_t block_bytes;     ///< 0 if its layout is not known
};

/// What is known of a GGUF tensor type, or nothing.
std::optional<GgufType> gguf_type(uint32_t type);

/// The name of any GGUF tensor type, known to us or not ("IQ2_XXS", "type 77"): for error lines.
std::string gguf_type_name(uint32_t type);

}  // namespace caldera::quant
