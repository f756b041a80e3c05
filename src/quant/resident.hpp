// The resident layout: how rows of weights lie in device memory.
//
// A file's blocks of 18, 34 or 210 bytes are hostile to wide loads, so rows are repacked on their way in,
// without changing a bit of information. A row is a few planes, each starting on 16 bytes; a plane holds one
// kind of field for the whole row. All formats share the planes for codes, in units of 32 weights, two groups
// h = 0, 1 of 16:
//
//              words a unit   the bytes that are codes 16h + 4s .. +3
//   nibbles    4              word[2h + s/2] >> 4 (s%2) & 0x0F0F0F0F
//   two bits   2              word[h] >> 2s & 0x03030303
//   one bit    1              word >> (4h + s) & 0x01010101
//   bytes      8              word[4h + s]
//
// A code of 5 bits is a nibble and one bit above it, of 6 a nibble and two, of 3 two bits and one. Signed
// codes are stored with their middle added, so that weight = scale * code + offset in every format, one scale
// and one offset for each group of 16. Where codes index a table of 16 values they are nibbles too.
//
// Formats whose weights are entries of a grid (codebook.hpp) have planes of the file's fields instead:
// nothing in them is spare, and one aligned load of 4 or 8 bytes names the entries of 32 weights. In IQ1_S
// arithmetic is scarcer than memory, so the 16 indices of 128 weights (11 bits each) and the scale and sign
// of each unit u = 0 to 3 (4 bits, sign above) lie where few instructions get them: in six words, of which
// the first four are one plane and the others another. Index k = 0 to 3 of unit u, w = word 4 + u / 2:
//
//   k = 0   word u, bits 0 to 10            k = 2   word u, bits 11 to 20, and bit 11 + u % 2 of w above them
//   k = 1   word u, bits 21 to 31           k = 3   w, bits 0 to 10 (u even) or 21 to 31
//   scale and sign   w, bits 13 to 16 (u even) or 17 to 20
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "quant/format.hpp"

namespace caldera::quant {

/// Weights in one group: all of a group share one scale and one offset.
inline constexpr uint32_t kGroup = 16;
/// Rows of matrices are a multiple of this many columns.
inline constexpr uint32_t kUnit = 32;

/// Where the planes of a row lie. Offsets in bytes from the start of the row.
struct RowLayout {
  uint32_t row_bytes = 0;           ///< from one row to the next; a multiple of 16
  std::array<uint32_t, 4> plane{};  ///< start of each plane; unused ones are 0
};

/// The layout of rows of `columns` weights. Errors: kUnsupported when `columns` is not a multiple of kUnit
/// (and of the format's block).
RowLayout row_layout(Format format, uint64_t columns);

/// Repacks `rows` rows from the file's layout into the resident one.
/// `source`: rows * bytes_for(format, columns) bytes; `out`: rows * row_bytes bytes. `out` is written from
/// its start to its end, except for padding, and never read: it may be write-combined memory across a bus.
void pack_rows(Format format, uint64_t columns, uint64_t rows, std::span<const std::byte> source,
               std::span<std::byte> out);

}  // namespace caldera::quant
