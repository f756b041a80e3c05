// Formats of weights by their size, whether or not they can be computed with.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "plan/model_shape.hpp"

namespace caldera::plan {

/// The format with this GGUF type number; nothing if its size is not known.
std::optional<WeightFormat> weight_format(uint32_t gguf_type);

/// The format of this name ("Q4_K", "IQ1_S"), which must be one of GGUF's (else kInternal).
WeightFormat weight_format(std::string_view name);

/// Weights in one of its blocks: rows are a whole number of them.
uint32_t block_elements(const WeightFormat& format);

}  // namespace caldera::plan
