// What a format's file hands to the table in format.cpp: functions over runs of blocks.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "quant/pack_codes.hpp"

namespace caldera::quant {

/// Decoders and the encoder of one format. `blocks` counts blocks; nothing needs alignment.
struct Codec {
  void (*decode_double)(const std::byte* source, size_t blocks, double* out);
  void (*decode_float)(const std::byte* source, size_t blocks, float* out);
  void (*encode)(const float* source, size_t blocks, std::byte* out);
  /// Repack blocks into planes of the resident layout; null where the format has none. Codes first their
  /// widest plane, then what is above it.
  using Pack = void (*)(const std::byte* source, size_t blocks, std::byte* out);
  Pack codes[2];
  Pack pairs;
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

/// The codec of a format described by a type F with
///   struct Block of uint8_t arrays, laid out as in the file;
///   constexpr size_t kElements, weights in one block;
///   template <class Real> static void decode(const Block&, Real* out);
///   static void encode(const float* source, Block&);
///   for formats with codes: constexpr unsigned kCodeBits, and
///   static uint64_t eight_codes(const Block&, size_t p): codes 8p to 8p + 7 as the bytes of a word, the
///   middle of signed ones added; for formats with 6-bit scales: static Pairs6 pairs(const Block&).
template <class F>
constexpr Codec codec_of() {
  static_assert(alignof(typename F::Block) == 1, "blocks lie anywhere in a file");
  Codec codec{decode_blocks<F, double>, decode_blocks<F, float>, encode_blocks<F>, {}, nullptr};
  if constexpr (requires { F::kCodeBits; }) {
    constexpr unsigned kWidest = std::bit_floor(F::kCodeBits);
    codec.codes[0] = pack_code_plane<F, 0, kWidest>;
    if constexpr (F::kCodeBits > kWidest) {
      codec.codes[1] = pack_code_plane<F, kWidest, F::kCodeBits - kWidest>;
    }
  }
  if constexpr (requires(typename F::Block block) { F::pairs(block); }) codec.pairs = pack_pair_plane<F>;
  return codec;
}

// plain.cpp
extern const Codec kF32Codec, kF16Codec, kBF16Codec;
// legacy.cpp
extern const Codec kQ4_0Codec, kQ4_1Codec, kQ5_0Codec, kQ5_1Codec, kQ8_0Codec;
// k_min.cpp and k_symmetric.cpp
extern const Codec kQ2_KCodec, kQ4_KCodec, kQ5_KCodec;
extern const Codec kQ3_KCodec, kQ6_KCodec;
// nonlinear.cpp, ternary.cpp and signed_grid.cpp
extern const Codec kIQ4_NLCodec, kIQ4_XSCodec, kMXFP4Codec;
extern const Codec kIQ1_SCodec, kIQ1_MCodec;
extern const Codec kIQ2_XXSCodec;

}  // namespace caldera::quant
