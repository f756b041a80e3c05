// Rows of keys and values in KV memory (pages.glsl), in the formats of plan::KvFormat, for kernels with the constant
// HEAD. A head's kPageTokens rows in one page:
//
//   f16    numbers (kPageTokens, HEAD) f16
//   q8_0   codes (kPageTokens, HEAD) signed bytes, then scales (kPageTokens, HEAD / 32) f16: number = code * scale
//   q4_0   codes (kPageTokens, HEAD / 2) bytes, of which byte i of a block of 32 numbers holds number i in the low and
//          number i + 16 in the high bits, then scales as above: number = (code - 8) * scale
//
// The blocks are those of GGUF files (quant/legacy.cpp), cut into codes and scales. In q8_0 and q4_0 HEAD is a multiple
// of 32. Lanes take rows in pieces of 8 numbers: 16, 8 or 4 bytes, one after the other. A piece is two fours of
// neighbouring numbers; in q4_0 they are 16 numbers apart (kv_four), so that each byte is loaded once.
//
// `format` is always a specialization constant, so that nothing is decided at run time.
const uint kKvF16 = 0;
const uint kKvQ8 = 1;
const uint kKvQ4 = 2;

const uint kKvBlocks = HEAD / 32;  // of a row

uint kv_piece_bytes(uint format) { return format == kKvF16 ? 16 : format == kKvQ8 ? 8 : 4; }
/// Of a row, scales not counted.
uint kv_row_bytes(uint format) { return HEAD / 8 * kv_piece_bytes(format); }
/// Of all rows of a head in one page.
uint kv_head_bytes(uint format) {
  return kPageTokens * (kv_row_bytes(format) + (format == kKvF16 ? 0 : 2 * kKvBlocks));
}
/// The rows of a head's keys in a page, and how many bytes further those of its values lie. `v_offset`: bytes from a
/// layer's keys to its values.
uint64_t rows_of_keys(uint64_t page, uint layer_offset, uint kv_head, uint k_format) {
  return page + layer_offset + kv_head * kv_head_bytes(k_format);
}
uint values_from_keys(uint v_offset, uint kv_head, uint k_format, uint v_format) {
  return v_offset + kv_head * kv_head_bytes(v_format) - kv_head * kv_head_bytes(k_format);
}

/// Which four numbers of a row are half `part` (0 or 1) of a piece.
uint kv_four(uint format, uint piece, uint part) {
  return format == kKvQ4 ? 8 * (piece / 4) + piece % 4 + 4 * part : 2 * piece + part;
}
/// The piece whose half four numbers are.
uint kv_piece_of(uint format, uint four) { return format == kKvQ4 ? 4 * (four / 8) + four % 4 : four / 2; }
/// Which of a head's scales in a page is that of a piece.
uint kv_scale_index(uint row, uint piece) { return row * kKvBlocks + piece / 4; }
uint64_t kv_scales(uint format, uint64_t rows) { return rows + kPageTokens * kv_row_bytes(format); }

/// Where a piece of a row lies. `rows`: a head's rows in a page.
struct KvPlace {
  uint64_t codes;
  uint64_t scales;  // of all rows
  uint scale;       // kv_scale_index
};
KvPlace kv_place(uint format, uint64_t rows, uint row, uint piece) {
  return KvPlace(rows + uint64_t(row * kv_row_bytes(format) + piece * kv_piece_bytes(format)), kv_scales(format, rows),
                 kv_scale_index(row, piece));
}

/// The word that the scale of the piece of the row `later` rows further is half of.
uint load_kv_scales(KvPlace from, uint later) {
  return kKvBlocks % 2 == 0
             ? Words(from.scales + uint64_t(4 * (from.scale / 2)) + uint64_t(2 * later * kKvBlocks)).v[0]
             : Words(from.scales).v[(from.scale + later * kKvBlocks) / 2];
}

/// The same piece of the row `later` rows further, as it lies in memory: in f16 four words, in q8_0 two words of codes,
/// in q4_0 one; then, third, the word that the scale is half of (kv_scale). `later` is a constant, so that it becomes a
/// part of the instruction.
uvec4 load_kv(uint format, KvPlace from, uint later) {
  if (format == kKvF16) return load_words4(from.codes, later * (HEAD / 8));
  uvec4 raw = uvec4(0);
  const uint64_t codes = from.codes + uint64_t(later * kv_row_bytes(format));
  if (format == kKvQ8) {
    raw.xy = unpackUint2x32(Words64(codes).v[0]);
  } else {
    raw.x = Words(codes).v[0];
  }
  raw.z = load_kv_scales(from, later);
  return raw;
}

/// The codes of two neighbouring pieces of q8_0 or q4_0, the first even, of the row `later` rows further: two words a
/// piece in q8_0, one in q4_0.
uvec4 load_kv_codes(uint format, KvPlace from, uint later) {
  const uint64_t codes = from.codes + uint64_t(later * kv_row_bytes(format));
  return format == kKvQ8 ? load_words4(codes, 0) : uvec4(unpackUint2x32(Words64(codes).v[0]), 0, 0);
}

vec4 bytes_as_floats(uint word) { return vec4(word & 0xFFu, word >> 8 & 0xFFu, word >> 16 & 0xFFu, word >> 24); }

/// The halves of a piece: in f16 the numbers, else codes from 0 on: number = (code - kv_middle) * kv_scale.
void unpack_kv(uint format, uvec4 raw, out vec4 low, out vec4 high) {
  if (format == kKvF16) {
    low = vec4(unpackHalf2x16(raw.x), unpackHalf2x16(raw.y));
    high = vec4(unpackHalf2x16(raw.z), unpackHalf2x16(raw.w));
  } else if (format == kKvQ8) {
    low = bytes_as_floats(raw.x ^ 0x80808080u);
    high = bytes_as_floats(raw.y ^ 0x80808080u);
  } else {
    low = bytes_as_floats(raw.x & 0x0F0F0F0Fu);
    high = bytes_as_floats(raw.x >> 4 & 0x0F0F0F0Fu);
  }
}
float kv_middle(uint format) { return format == kKvF16 ? 0 : format == kKvQ8 ? 128 : 8; }
/// The scale of a piece, of which raw.z has two. `index`: of which the lowest bit counts, kv_scale_index.
float kv_scale(uint format, uvec4 raw, uint index) {
  return format == kKvF16 ? 1 : unpackHalf2x16(raw.z >> (16 * (index & 1))).x;
}

/// The numbers of a piece.
void dequantize_kv(uint format, uvec4 raw, uint index, out vec4 low, out vec4 high) {
  unpack_kv(format, raw, low, high);
  if (format == kKvF16) return;
  const float scale = kv_scale(format, raw, index);
  low = (low - kv_middle(format)) * scale;
  high = (high - kv_middle(format)) * scale;
}

/// Numbers 2 pair and 2 pair + 1 of a row.
vec2 load_kv_pair(uint format, uint64_t rows, uint row, uint pair) {
  if (format == kKvF16) return unpackHalf2x16(Words(rows).v[row * (HEAD / 2) + pair]);
  const uint index = row * kKvBlocks + pair / 16;
  const float scale = kv_scale(format, uvec4(0, 0, Words(kv_scales(format, rows)).v[index / 2], 0), index);
  const uint four = pair / 2;
  const uint piece = kv_piece_of(format, four);
  uint word;
  if (format == kKvQ8) {
    word = Words(rows).v[row * (HEAD / 4) + four] ^ 0x80808080u;
  } else {
    word = Words(rows).v[row * (HEAD / 8) + piece] >> (four % 8 / 4 * 4) & 0x0F0F0F0Fu;
  }
  word >>= 16 * (pair & 1);
  return (vec2(word & 0xFFu, word >> 8 & 0xFFu) - kv_middle(format)) * scale;
}
