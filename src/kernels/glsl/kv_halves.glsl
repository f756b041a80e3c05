// Pieces of rows of KV memory as f16, on devices with such arithmetic. After kv_rows.glsl.

/// The numbers of four codes from 0 on, of which `middle` stands for 0. A code in the low bits of 1024 adds as much to
/// it, so no conversion is needed, of which devices make a quarter as many; the product is rounded once.
uvec2 scale_codes(uint codes, float16_t middle, float16_t scale) {
  const uint low = (codes & 0xFFu) | (codes & 0xFF00u) << 8;
  const uint high = (codes >> 16 & 0xFFu) | (codes >> 8 & 0xFF0000u);
  const f16vec2 zero = f16vec2(float16_t(1024) + middle);
  return uvec2(packFloat2x16((unpackFloat2x16(low | 0x64006400u) - zero) * scale),
               packFloat2x16((unpackFloat2x16(high | 0x64006400u) - zero) * scale));
}

/// The numbers of a piece, as load_kv loads it: the first two words are half 0, the others half 1 (kv_four). `index`:
/// of which the lowest bit counts, kv_scale_index.
uvec4 kv_halves(uint format, uvec4 raw, uint index) {
  uvec4 words = raw;
  if (format != kKvF16) {
    const uint codes = raw.x ^ (format == kKvQ8 ? 0x80808080u : 0);
    const uint low = format == kKvQ8 ? codes : codes & 0x0F0F0F0Fu;
    const uint high = format == kKvQ8 ? raw.y ^ 0x80808080u : codes >> 4 & 0x0F0F0F0Fu;
    const float16_t middle = float16_t(kv_middle(format));
    const float16_t scale = unpackFloat2x16(raw.z >> (16 * (index & 1))).x;
    words = uvec4(scale_codes(low, middle, scale), scale_codes(high, middle, scale));
  }
  return words;
}

/// The same of q8_0 and q4_0, each four in the order 0 2 1 3, for fewer instructions: bytes 0 and 2 of codes are halves
/// of a word where they are. `scale`: a word whose half `index & 1` it is.
uvec4 kv_halves_exchanged(uint format, uvec2 raw, uint scale, uint index) {
  const bool bytes = format == kKvQ8;
  const uvec4 codes = bytes ? uvec4(raw.x, raw.x >> 8, raw.y, raw.y >> 8)
                            : uvec4(raw.x, raw.x >> 8, raw.x >> 4, raw.x >> 12);
  const float16_t zero = float16_t(1024 + kv_middle(format));
  const float16_t factor = unpackFloat2x16(scale >> (16 * (index & 1))).x;
  uvec4 words;
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    const uint two = (codes[i] & (bytes ? 0x00FF00FFu : 0x000F000Fu)) ^ (bytes ? 0x64806480u : 0x64006400u);
    words[i] = packFloat2x16((unpackFloat2x16(two) - zero) * factor);
  }
  return words;
}
