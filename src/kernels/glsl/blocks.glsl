// Reading blocks as a GGUF file holds them: the block's fields one after the other, and no padding between blocks.
// Blocks of 18, 22, 34, 110 and 210 bytes begin on any even address, those of 17 on any, and loads of 16 bits are optional in Vulkan, so
// their fields are put together from words. Nothing is loaded beyond the words that a field lies in: behind the last
// tensor the mapping may end.

/// The word that an address lies in.
uint word_around(uint64_t address) { return Words(address & ~uint64_t(3)).v[0]; }

/// The f16 at an even address.
float even_half(uint64_t address) { return unpackHalf2x16(word_around(address) >> (8 * (uint(address) & 2))).x; }

/// The 16 bits at an even address.
uint even_short(uint64_t address) { return word_around(address) >> (8 * (uint(address) & 2)) & 0xFFFFu; }

/// The byte at an address.
uint byte_of_block(uint64_t address) { return word_around(address) >> (8 * (uint(address) & 3)) & 0xFFu; }

/// 4 bytes at an even address.
uint even_word(uint64_t address) {
  const uint low = word_around(address);
  const uint high = word_around(address + 2);  // outside the choice: a branch would wait for one load, then the other
  return (uint(address) & 2) == 0 ? low : low >> 16 | high << 16;
}

/// 16 bytes at a multiple of 4.
uvec4 words4(uint64_t address) {
  Words words = Words(address);
  return uvec4(words.v[0], words.v[1], words.v[2], words.v[3]);
}

/// 16 bytes at an even address.
uvec4 even_words4(uint64_t address) {
  const uvec4 low = words4(address & ~uint64_t(3));
  const uvec4 high = uvec4(low.yzw, word_around(address + 14));
  return (uint(address) & 2) == 0 ? low : low >> 16 | high << 16;
}

/// 16 bytes at any address.
uvec4 any_words4(uint64_t address) {
  const uvec4 low = words4(address & ~uint64_t(3));
  const uvec4 high = uvec4(low.yzw, word_around(address + 15));
  const uint shift = 8 * (uint(address) & 3);
  return shift == 0 ? low : low >> shift | high << (32 - shift);
}

/// Field `index` of 4, 2 or 1 bits in each of 16 bytes: the codes of a group.
uvec4 nibbles_of(uvec4 bytes, uint index) { return bytes >> (4 * index) & 0x0F0F0F0Fu; }
uvec4 two_bits_of(uvec4 bytes, uint index) { return bytes >> (2 * index) & 0x03030303u; }
uvec4 one_bit_of(uvec4 bytes, uint index) { return bytes >> index & 0x01010101u; }

/// Half `half_index` of a word's bits, each as a byte. The factor moves bit i of a nibble to bit 8 i.
uvec4 bits_of(uint word, uint half_index) {
  return (uvec4(word, word >> 4, word >> 8, word >> 12) >> (16 * half_index) & 0xFu) * 0x00204081u & 0x01010101u;
}

/// The 6-bit scale and minimum of 32 weights (0 to 7), from the first 16 bytes of a block of Q4_K or Q5_K.
uvec2 pair_of_block(uvec4 head, uint unit) {
  const uvec3 bytes = head.yzw >> (8 * (unit & 3));
  const uvec2 later = uvec2(bytes.z, bytes.z >> 4) & 15 | bytes.xy >> 2 & 48;
  return (unit < 4 ? bytes.xy : later) & 63;
}
