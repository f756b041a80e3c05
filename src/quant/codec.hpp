// What a format's file hands to the table in format.cpp: functions over runs of blocks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace caldera::quant {

/// Decoders and the encoder of one format. `blocks` counts blocks; nothing needs alignment.
struct Codec {
  void (*decode_double)(const std::byte* source, size_t blocks, double* out);
  void (*decode_float)(const std::byte* source, size_t blocks, float* out);
  void (*encode)(const float* source, size_t blocks, std::byte* out);
  /// The codes of one block, one byte a weight, the middle of signed ones added. Null for plain formats.
  void (*codes)(const std::byte* block, uint8_t* out);
  /// Scale and minimum of each sub-block as non-negative integers (the middle of signed ones added, minima 0
  /// where the format has none). Null for formats without 6-bit scales.
  void (*scales)(const std::byte* block, uint8_t* scale, uint8_t* minimum);
};

/// Decodes `blocks` blocks of F, a type as codec_of() describes it.
template <class F, class Real>
void decode_blocks(const std::byte* source, size_t blocks, Real* out) {
  const auto* block = reinterpret_cast<const typename F::Block*>(source);
  for (size_t b = 0; b < blocks; ++b) F::decode(block[b], out + b * F::kElements);
}

template <class F>
void encode_blocks(const float* source, size_t blocks, std::byte* out) {
  auto* block = reinterpret_cast<typename F::Block*>(out);
  for (size_t b = 0; b < blocks; ++b) F::encode(source + b * F::kElements, block[b]);
}

template <class F>
void codes_of_block(const std::byte* source, uint8_t* out) {
  const auto& block = *reinterpret_cast<const typename F::Block*>(source);
  for (size_t i = 0; i < F::kElements; ++i) out[i] = static_cast<uint8_t>(F::stored_code(block, i));
}

template <class F>
void scales_of_block(const std::byte* source, uint8_t* scale, uint8_t* minimum) {
  const auto& block = *reinterpret_cast<const typename F::Block*>(source);
  for (size_t s = 0; s < F::kSubBlocks; ++s) {
    scale[s] = static_cast<uint8_t>(F::stored_scale(block, s));
    minimum[s] = 0;
    if constexpr (requires { F::minimum(block, s); }) minimum[s] = static_cast<uint8_t>(F::minimum(block, s));
  }
}

/// The codec of a format described by a type F with
///   struct Block of uint8_t arrays, laid out as in the file;
///   constexpr size_t kElements, weights in one block;
///   template <class Real> static void decode(const Block&, Real* out);
///   static void encode(const float* source, Block&);
///   static int stored_code(const Block&, size_t i), for formats with codes;
///   static int stored_scale(const Block&, size_t s) and kSubBlocks (and minimum), for formats with 6-bit
///   scales.
template <class F>
constexpr Codec codec_of() {
  static_assert(alignof(typename F::Block) == 1, "blocks lie anywhere in a file");
  Codec codec{decode_blocks<F, double>, decode_blocks<F, float>, encode_blocks<F>, nullptr, nullptr};
  if constexpr (requires(typename F::Block block) { F::stored_code(block, 0); })
    codec.codes = codes_of_block<F>;
  if constexpr (requires(typename F::Block block) { F::stored_scale(block, 0); }) {
    codec.scales = scales_of_block<F>;
  }
  return codec;
}

// plain.cpp
extern const Codec kF32Codec, kF16Codec, kBF16Codec;
// legacy.cpp
extern const Codec kQ4_0Codec, kQ4_1Codec, kQ5_0Codec, kQ5_1Codec, kQ8_0Codec;
// k_min.cpp and k_symmetric.cpp
extern const Codec kQ2_KCodec, kQ4_KCodec, kQ5_KCodec;
extern const Codec kQ3_KCodec, kQ6_KCodec;

}  // namespace caldera::quant
