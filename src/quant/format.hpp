// The block formats: what they are called, how large their blocks are, and the fields a block is made of.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace caldera::quant {

/// Tensor formats, numbered as `ggml_type` in GGUF files (the number is part of the file format).
enum class Format : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ2_XXS = 16,
  kIQ1_S = 19,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kIQ1_M = 29,
  kBF16 = 30,
  kMXFP4 = 39,
};

/// One field of a block, in the order of the file: its bytes lie together in every block.
struct Field {
  std::string_view name;
  uint32_t bytes;  ///< bytes of this field in one block
};

struct Codec;  // codec.hpp

/// What is known of a format without looking at data.
struct FormatInfo {
  Format format;
  std::string_view name;    ///< as users know it: "Q4_K"
  uint32_t block_elements;  ///< weights in one block
  uint32_t block_bytes;     ///< bytes of one block; the sum of the fields
  std::span<const Field> fields;
  const Codec* codec;  ///< what decode() and encode() below call
};

/// The table of all formats that Caldera can compute with.
std::span<const FormatInfo> formats();

/// The row of `format` in the table.
const FormatInfo& info(Format format);

/// The format with this GGUF type number, or nothing if Caldera cannot compute with it.
std::optional<Format> format_from_gguf(uint32_t type);

/// Bytes that `elements` weights take; `elements` must be a multiple of the block's (else kInternal).
uint64_t bytes_for(Format format, uint64_t elements);

/// Decodes `out.size()` weights (a multiple of the block's) from `source`, exactly, into `out`.
/// `source` must be bytes_for() long (else kInternal).
void decode(Format format, std::span<const std::byte> source, std::span<double> out);
/// As above, rounded to float once.
void decode(Format format, std::span<const std::byte> source, std::span<float> out);

/// Encodes weights (a multiple of the block's) into `out`: round to nearest, simple scales. For tests,
/// synthetic models and examples; not a substitute for an importance-weighted quantizer. Block formats take a
/// NaN for zero, and what lies beyond their f16 scales for the largest weight that they can hold.
void encode(Format format, std::span<const float> source, std::span<std::byte> out);

}  // namespace caldera::quant
