#include "quant/format.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "caldera/error.hpp"
#include "quant/codec.hpp"

namespace caldera::quant {
namespace {

constexpr Field kF32Fields[] = {{"x", 4}};
constexpr Field kF16Fields[] = {{"x", 2}};
constexpr Field kBF16Fields[] = {{"x", 2}};
constexpr Field kQ4_0Fields[] = {{"d", 2}, {"qs", 16}};
constexpr Field kQ4_1Fields[] = {{"d", 2}, {"m", 2}, {"qs", 16}};
constexpr Field kQ5_0Fields[] = {{"d", 2}, {"qh", 4}, {"qs", 16}};
constexpr Field kQ5_1Fields[] = {{"d", 2}, {"m", 2}, {"qh", 4}, {"qs", 16}};
constexpr Field kQ8_0Fields[] = {{"d", 2}, {"qs", 32}};
constexpr Field kQ2_KFields[] = {{"scales", 16}, {"qs", 64}, {"d", 2}, {"dmin", 2}};
constexpr Field kQ3_KFields[] = {{"hmask", 32}, {"qs", 64}, {"scales", 12}, {"d", 2}};
constexpr Field kQ4_KFields[] = {{"d", 2}, {"dmin", 2}, {"scales", 12}, {"qs", 128}};
constexpr Field kQ5_KFields[] = {{"d", 2}, {"dmin", 2}, {"scales", 12}, {"qh", 32}, {"qs", 128}};
constexpr Field kQ6_KFields[] = {{"ql", 128}, {"qh", 64}, {"scales", 16}, {"d", 2}};
constexpr Field kIQ2_XXSFields[] = {{"d", 2}, {"qs", 64}};
constexpr Field kIQ1_SFields[] = {{"d", 2}, {"qs", 32}, {"qh", 16}};
constexpr Field kIQ1_MFields[] = {{"qs", 32}, {"qh", 16}, {"scales", 8}};
constexpr Field kIQ4_NLFields[] = {{"d", 2}, {"qs", 16}};
constexpr Field kIQ4_XSFields[] = {{"d", 2}, {"scales_h", 2}, {"scales_l", 4}, {"qs", 128}};
constexpr Field kMXFP4Fields[] = {{"e", 1}, {"qs", 16}};

constexpr FormatInfo kFormats[] = {
    {Format::kF32, "F32", 1, 4, kF32Fields, &kF32Codec},
    {Format::kF16, "F16", 1, 2, kF16Fields, &kF16Codec},
    {Format::kBF16, "BF16", 1, 2, kBF16Fields, &kBF16Codec},
    {Format::kQ4_0, "Q4_0", 32, 18, kQ4_0Fields, &kQ4_0Codec},
    {Format::kQ4_1, "Q4_1", 32, 20, kQ4_1Fields, &kQ4_1Codec},
    {Format::kQ5_0, "Q5_0", 32, 22, kQ5_0Fields, &kQ5_0Codec},
    {Format::kQ5_1, "Q5_1", 32, 24, kQ5_1Fields, &kQ5_1Codec},
    {Format::kQ8_0, "Q8_0", 32, 34, kQ8_0Fields, &kQ8_0Codec},
    {Format::kQ2_K, "Q2_K", 256, 84, kQ2_KFields, &kQ2_KCodec},
    {Format::kQ3_K, "Q3_K", 256, 110, kQ3_KFields, &kQ3_KCodec},
    {Format::kQ4_K, "Q4_K", 256, 144, kQ4_KFields, &kQ4_KCodec},
    {Format::kQ5_K, "Q5_K", 256, 176, kQ5_KFields, &kQ5_KCodec},
    {Format::kQ6_K, "Q6_K", 256, 210, kQ6_KFields, &kQ6_KCodec},
    {Format::kIQ1_S, "IQ1_S", 256, 50, kIQ1_SFields, &kIQ1_SCodec},
    {Format::kIQ1_M, "IQ1_M", 256, 56, kIQ1_MFields, &kIQ1_MCodec},
    {Format::kIQ2_XXS, "IQ2_XXS", 256, 66, kIQ2_XXSFields, &kIQ2_XXSCodec},
    {Format::kIQ4_NL, "IQ4_NL", 32, 18, kIQ4_NLFields, &kIQ4_NLCodec},
    {Format::kIQ4_XS, "IQ4_XS", 256, 136, kIQ4_XSFields, &kIQ4_XSCodec},
    {Format::kMXFP4, "MXFP4", 32, 17, kMXFP4Fields, &kMXFP4Codec},
};

consteval bool fields_fill_blocks() {
  for (const FormatInfo& row : kFormats) {
    uint32_t bytes = 0;
    for (const Field& field : row.fields) bytes += field.bytes;
    if (bytes != row.block_bytes) return false;
  }
  return true;
}
static_assert(fields_fill_blocks());

const FormatInfo* find(Format format) {
  const auto* row = std::ranges::find(kFormats, format, &FormatInfo::format);
  return row != std::end(kFormats) ? row : nullptr;
}

/// The row of a format whose `elements` weights take `bytes`.
const FormatInfo& checked(Format format, uint64_t elements, uint64_t bytes) {
  if (const uint64_t needed = bytes_for(format, elements); needed != bytes) {
    throw Error(ErrorKind::kInternal, fmt::format("{} weights of {} take {} bytes, not the {} given",
                                                  elements, info(format).name, needed, bytes));
  }
  return info(format);
}

}  // namespace

std::span<const FormatInfo> formats() {
  return kFormats;
}

const FormatInfo& info(Format format) {
  if (const FormatInfo* row = find(format)) return *row;
  throw Error(ErrorKind::kInternal,
              fmt::format("no tensor format is numbered {}", static_cast<uint32_t>(format)));
}

std::optional<Format> format_from_gguf(uint32_t type) {
  if (const FormatInfo* row = find(static_cast<Format>(type))) return row->format;
  return std::nullopt;
}

uint64_t bytes_for(Format format, uint64_t elements) {
  const FormatInfo& row = info(format);
  if (elements % row.block_elements != 0) {
    throw Error(ErrorKind::kInternal, fmt::format("{} weights are no whole number of {}'s blocks of {}",
                                                  elements, row.name, row.block_elements));
  }
  const uint64_t blocks = elements / row.block_elements;
  if (blocks > std::numeric_limits<uint64_t>::max() / row.block_bytes) {
    throw Error(ErrorKind::kInternal,
                fmt::format("{} weights of {} take more than 2^64 bytes", elements, row.name));
  }
  return blocks * row.block_bytes;
}

void decode(Format format, std::span<const std::byte> source, std::span<double> out) {
  const FormatInfo& row = checked(format, out.size(), source.size());
  row.codec->decode_double(source.data(), out.size() / row.block_elements, out.data());
}

void decode(Format format, std::span<const std::byte> source, std::span<float> out) {
  const FormatInfo& row = checked(format, out.size(), source.size());
  row.codec->decode_float(source.data(), out.size() / row.block_elements, out.data());
}

void encode(Format format, std::span<const float> source, std::span<std::byte> out) {
  const FormatInfo& row = checked(format, source.size(), out.size());
  row.codec->encode(source.data(), source.size() / row.block_elements, out.data());
}

}  // namespace caldera::quant
