// Units of 32 weights as 8-bit codes, for integer dot products with int8 vectors. Each format's file gives
//   kLoadUnits   neighbouring units that a lane loads at once
//   kHalves      1: a unit has one scale; 2: each half of 16 has its own
//   kOddShift    every second word of codes holds them shifted up by so many bits: cheaper to part, and undone in sums
//   kUnsigned    codes are unsigned bytes; else signed
//   kOffsets     whether there are offsets
//   Packed load_packed(uint64_t row, uvec3 planes, uint unit)   loads only; unit a multiple of kLoadUnits
//   void unpack(Packed packed, uint unit, uint index, out uint codes[8], out vec4 scale)
// with weight = scale[h] * code + scale[2 + h] in half h (0 with one scale) of unit `unit + index`; codes in the order
// of the weights.

// The upper nibbles of bytes are taken where they are if the device multiplies unsigned with signed bytes as fast as
// signed ones, and moved down where not.
const bool kMixedNibbles = MIXED_DOT;
const uint kNibbleShift = MIXED_DOT ? 4 : 0;

/// The 32 codes of a unit in the plane of nibbles, with kOddShift = kNibbleShift.
void part_nibbles(uvec4 nibbles, out uint codes[8]) {
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    codes[2 * i] = nibbles[i] & 0x0F0F0F0Fu;
    codes[2 * i + 1] = MIXED_DOT ? nibbles[i] & 0xF0F0F0F0u : nibbles[i] >> 4 & 0x0F0F0F0Fu;
  }
}

/// The 32 codes of a unit in the plane of nibbles.
void unpack_nibbles(uvec4 nibbles, out uint codes[8]) {
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    codes[2 * i] = nibbles[i] & 0x0F0F0F0Fu;
    codes[2 * i + 1] = nibbles[i] >> 4 & 0x0F0F0F0Fu;
  }
}

/// The 32 codes of a unit in the plane of two bits.
void unpack_two_bits(uvec2 bits, out uint codes[8]) {
  [[unroll]] for (uint i = 0; i < 8; ++i) codes[i] = bits[i / 4] >> (2 * (i % 4)) & 0x03030303u;
}

/// Adds a unit of the plane of one bit as bit `to` of each code.
void add_one_bit(uint bits, uint to, inout uint codes[8]) {
  [[unroll]] for (uint i = 0; i < 8; ++i) {
    codes[i] |= (to > i ? bits << (to - i) : bits >> (i - to)) & 0x01010101u << to;
  }
}

/// Adds a unit of the plane of two bits as bits 4 and 5 of each code.
void add_two_bits(uvec2 bits, inout uint codes[8]) {
  [[unroll]] for (uint i = 0; i < 8; ++i) {
    const uint shift = 2 * (i % 4);
    codes[i] |= (shift > 4 ? bits[i / 4] >> (shift - 4) : bits[i / 4] << (4 - shift)) & 0x30303030u;
  }
}

// Entries of a grid, as the workgroup holds them: the codes of an entry spread so that a shift and two masks part them
// (src/quant/codebook.hpp).
#if defined(FORMAT_IQ1_S) || defined(FORMAT_IQ1_M)
const uint kGridEntries = 2048;
#elif defined(FORMAT_IQ2_XXS)
const uint kGridEntries = 256;
#endif
#if defined(FORMAT_IQ1_S) || defined(FORMAT_IQ1_M) || defined(FORMAT_IQ2_XXS)
shared uint grid_entries[kGridEntries];

void load_tables() {
  // All loads are under way before the first is stored: one after the other they would take microseconds.
  const uint kThreads = gl_WorkGroupSize.x;
  const uint kLoads = (kGridEntries / 2 + kThreads - 1) / kThreads;
  uint two[kLoads];
  [[unroll]] for (uint k = 0; k < kLoads; ++k) {
    two[k] = Words(grid).v[min(k * kThreads + gl_LocalInvocationID.x, kGridEntries / 2 - 1)];
  }
  [[unroll]] for (uint k = 0; k < kLoads; ++k) {
    const uint i = min(k * kThreads + gl_LocalInvocationID.x, kGridEntries / 2 - 1);
    const uint even = two[k] & 0xFFFFu;
    const uint odd = two[k] >> 16;
    grid_entries[2 * i] = even | even << 12;
    grid_entries[2 * i + 1] = odd | odd << 12;
  }
  barrier();
}

/// The eight codes of an entry, 0 to 2, with kOddShift = 2.
void part_grid_words(uint index, out uint first, out uint second) {
  const uint spread = grid_entries[index];
  first = spread & 0x03030303u;
  second = spread & 0x0C0C0C0Cu;
}

/// The eight codes of an entry, 0 to 2.
void grid_words(uint index, out uint first, out uint second) {
  const uint spread = grid_entries[index];
  first = spread & 0x03030303u;
  second = spread >> 2 & 0x03030303u;
}
#elif defined(FORMAT_IQ4_NL) || defined(FORMAT_IQ4_XS) || defined(FORMAT_MXFP4)
// The values of two nibbles for each byte, the low one's in byte 0 and the other's in byte 2: a look-up for two weights.
shared uint value_pairs[256];

uint value_byte(uint code);  // of the format's table: values.glsl

void load_tables() {
  for (uint i = gl_LocalInvocationID.x; i < 256; i += gl_WorkGroupSize.x) {
    value_pairs[i] = value_byte(i & 15) | value_byte(i >> 4) << 16;
  }
  barrier();
}

void unpack_values(uvec4 nibbles, out uint codes[8]) {
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    const uint word = nibbles[i];
    const uint first = value_pairs[word & 0xFFu] | value_pairs[word >> 8 & 0xFFu] << 8;
    const uint second = value_pairs[word >> 16 & 0xFFu] | value_pairs[word >> 24] << 8;
    codes[2 * i] = first & 0xFFFFu | second << 16;
    codes[2 * i + 1] = first >> 16 | second & 0xFFFF0000u;
  }
}
#else
void load_tables() {}
#endif
