#include "plan/weight_format.hpp"

#include <fmt/format.h>

#include "caldera/error.hpp"
#include "quant/gguf_types.hpp"

namespace caldera::plan {
namespace {

/// Above the numbers of all types that GGUF has.
constexpr uint32_t kTypes = 64;

quant::GgufType type_named(std::string_view name) {
  for (uint32_t type = 0; type < kTypes; ++type) {
    const auto known = quant::gguf_type(type);
    if (known && known->name == name && known->block_bytes > 0) return *known;
  }
  throw Error(ErrorKind::kInternal, fmt::format("no tensor type is called {}", name));
}

}  // namespace

std::optional<WeightFormat> weight_format(uint32_t gguf_type) {
  const auto known = quant::gguf_type(gguf_type);
  if (!known || known->block_bytes == 0) return std::nullopt;
  return WeightFormat{std::string(known->name), 8.0 * known->block_bytes / known->block_elements,
                      quant::format_from_gguf(gguf_type)};
}

WeightFormat weight_format(std::string_view name) {
  return *weight_format(type_named(name).type);
}

uint32_t block_elements(const WeightFormat& format) {
  return type_named(format.name).block_elements;
}

}  // namespace caldera::plan
