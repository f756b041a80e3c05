// Entries of a grid, eight weights each, packed as src/quant/codebook.hpp says. Their table is in memory, at
// `grid`: as an array of constants, Mesa's software device compiles it for minutes.

/// The eight codes of an entry, 0 to 2, as bytes of two words.
uvec2 grid_codes(uint index) {
  const uint entry = Words(grid).v[index >> 1] >> (16 * (index & 1)) & 0xFFFFu;
  const uint spread = entry | entry << 12;
  return uvec2(spread, spread >> 2) & 0x03030303u;
}
