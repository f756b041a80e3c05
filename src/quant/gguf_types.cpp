#include "quant/gguf_types.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "quant/format.hpp"

namespace caldera::quant {
namespace {

// Numbers: enum ggml_type, https://github.com/ggml-org/ggml/blob/master/include/ggml.h; sizes: the block
// structs of ggml-common.h there. Those with sizes of 0 were withdrawn, or never reached a file.
constexpr GgufType kOthers[] = {
    {4, "Q4_2", 0, 0},        {5, "Q4_3", 0, 0},        {9, "Q8_1", 32, 36},      {15, "Q8_K", 256, 292},
    {17, "IQ2_XS", 256, 74},  {18, "IQ3_XXS", 256, 98}, {21, "IQ3_S", 256, 110},  {22, "IQ2_S", 256, 82},
    {24, "I8", 1, 1},         {25, "I16", 1, 2},        {26, "I32", 1, 4},        {27, "I64", 1, 8},
    {28, "F64", 1, 8},        {31, "Q4_0_4_4", 0, 0},   {32, "Q4_0_4_8", 0, 0},   {33, "Q4_0_8_8", 0, 0},
    {34, "TQ1_0", 256, 54},   {35, "TQ2_0", 256, 66},   {36, "IQ4_NL_4_4", 0, 0}, {37, "IQ4_NL_4_8", 0, 0},
    {38, "IQ4_NL_8_8", 0, 0}, {40, "NVFP4", 64, 36},    {41, "Q1_0", 128, 18},
};

}  // namespace

std::optional<GgufType> gguf_type(uint32_t type) {
  if (const auto format = format_from_gguf(type)) {
    const FormatInfo& row = info(*format);
    return GgufType{type, row.name, row.block_elements, row.block_bytes};
  }
  const auto* row = std::ranges::find(kOthers, type, &GgufType::type);
  if (row == std::end(kOthers)) return std::nullopt;
  return *row;
}

std::string gguf_type_name(uint32_t type) {
  if (const auto known = gguf_type(type)) return std::string(known->name);
  return fmt::format("type {}", type);
}

}  // namespace caldera::quant
