// Writing rows of q8_0 and q4_0 into KV memory. After kv_rows.glsl and int8_vector.glsl.
// Codes and scales are chosen as quant/legacy.cpp does: the number of greatest magnitude takes code 127 or -127 in q8_0,
// in q4_0 the end with one step more, -8. Scales are rounded away from zero, so that codes reach all numbers, and
// numbers to the nearest code, halves away from zero.

/// Four numbers of a row.
struct KvCodes {
  uint word;   // q8_0: their codes; q4_0: theirs and those of the four that are 16 numbers away
  uint scale;  // f16
};

/// The least f16 whose magnitude is not below that of `value`.
uint half_away_from_zero(float value) {
  const float magnitude = min(abs(value), 65504.0);
  // By its bits: NVIDIA's compiler takes an f16 for the float that it was made of, and so never finds it below. An f16
  // has 13 bits less, and an exponent that begins 112 later; one below 2^-14 counts in steps of 2^-24.
  const uint normal = (floatBitsToUint(magnitude) + 0x1FFFu >> 13) - (112u << 10);
  const uint subnormal = uint(ceil(magnitude * 16777216.0));
  return (magnitude < 1.0 / 16384.0 ? subnormal : normal) | (value < 0 ? 0x8000u : 0);
}

/// Eight neighbouring lanes, the first a multiple of 8, hold a block: each 4 of its numbers in order. Called by whole
/// subgroups.
KvCodes encode_kv(uint format, vec4 value) {
  // The greatest number, and the least with its sign changed.
  vec2 ends = vec2(max(max(value.x, value.y), max(value.z, value.w)),
                   max(max(-value.x, -value.y), max(-value.z, -value.w)));
  [[unroll]] for (uint bit = 1; bit < 8; bit *= 2) ends = max(ends, subgroupShuffleXor(ends, bit));
  const float most = max(ends.x, ends.y);
  KvCodes codes;
  codes.scale = half_away_from_zero(format == kKvQ8 ? most / 127 : (ends.y > ends.x ? most : -most) / 8);
  const float scale = unpackHalf2x16(codes.scale).x;
  const vec4 steps = value * (scale != 0 ? 1 / scale : 0);
  const vec4 nearest = trunc(steps + mix(vec4(-0.5), vec4(0.5), greaterThan(steps, vec4(0))));
  if (format == kKvQ8) {
    codes.word = pack_codes(clamp(nearest, -127, 127));
  } else {
    const uint own = pack_codes(clamp(nearest, -8, 7) + 8);
    const uint other = subgroupShuffleXor(own, 4);
    codes.word = (gl_SubgroupInvocationID & 4) == 0 ? own | other << 4 : other | own << 4;
  }
  return codes;
}

/// Which of the words that a piece is loaded as (load_kv) `word` is, where this lane is to store it.
bool stores_word(uint format, uint four) { return format == kKvQ8 || four % 8 < 4; }
uint kv_word_of_piece(uint format, uint four) { return format == kKvQ8 ? four % 2 : 0; }

/// Stores what encode_kv() made of four number `four` of a row.
void store_kv(uint format, uint64_t rows, uint row, uint four, KvCodes codes) {
  if (stores_word(format, four)) {
    const uint place = format == kKvQ8 ? row * (HEAD / 4) + four : row * (HEAD / 8) + kv_piece_of(format, four);
    WriteWords(rows).v[place] = codes.word;
  }
  if (four % 8 != 0) return;
  // Two scales share a word, and the other may be that of a token which another workgroup is writing.
  const uint index = row * kKvBlocks + four / 8;
  const uint shift = 16 * (index & 1);
  WriteWords scales = WriteWords(kv_scales(format, rows));
  atomicAnd(scales.v[index / 2], ~(0xFFFFu << shift));
  atomicOr(scales.v[index / 2], codes.scale << shift);
}
