// The grids of the formats below 3 bits: eight weights are one entry of a table of vectors, each of whose
// eight elements takes one of three values, coded 0, 1, 2.
//
// Entries are 16 bits, two in a word of codebooks/*.inc, the even one low. Code k of an entry is 2 bits from
// bit 8 (k & 1) + 4 (k >> 1 & 1) + 2 (k >> 2) up: so a shift and an or spread four nibbles, the pairs k and
// k + 4, over the bytes of a word, in C++ and in GLSL (kernels/glsl/formats/grid.glsl).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "quant/format.hpp"
#include "quant/pack_codes.hpp"

namespace caldera::quant {

/// The entries of a table in codebooks/.
using Grid = std::span<const uint32_t>;

/// IQ1_S and IQ1_M: 2048 entries, codes 0, 1, 2 for -1, 0, 1.
extern const Grid kIq1Grid;
/// IQ2_XXS: 256 entries, codes 0, 1, 2 for 8, 25, 43.
extern const Grid kIq2XxsGrid;

/// The grid whose entries the weights of a format are; empty where there is none.
Grid grid_of(Format format);

/// The eight codes of entry `index` as the bytes of a word.
inline uint64_t grid_codes(Grid grid, size_t index) {
  const uint32_t entry = grid[index / 2] >> (index % 2 * 16) & 0xFFFF;
  const uint32_t spread = entry | entry << 12;
  return (spread & four_times(3)) | uint64_t{spread >> 2 & four_times(3)} << 32;
}

/// Code `k` of the eight.
inline int grid_code(uint64_t codes, size_t k) {
  return static_cast<int>(codes >> (8 * k) & 3);
}

/// Finds entries for encoders.
class NearestEntry {
 public:
  /// Looks up the nearest entry for each of the 3^8 vectors: some hundred milliseconds at most.
  explicit NearestEntry(Grid grid);

  /// The first of the entries with the least sum of squared differences from eight codes, 0 to 2.
  uint32_t find(std::span<const int, 8> codes) const;

 private:
  std::vector<uint16_t> index_;  ///< by the codes as a number to base 3, the first its lowest digit
};

}  // namespace caldera::quant
