#include "quant/resident.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "caldera/error.hpp"
#include "quant/codec.hpp"

namespace caldera::quant {
namespace {

/// Bytes of each plane for 256 weights, in the order of RowLayout::plane.
struct PlaneTable {
  Format format;
  std::array<uint32_t, 4> bytes;
};

constexpr PlaneTable kPlanes[] = {
    {Format::kF32, {1024}},             // values
    {Format::kF16, {512}},              // values
    {Format::kBF16, {512}},             // values
    {Format::kQ4_0, {128, 16}},         // nibbles; d
    {Format::kQ4_1, {128, 32}},         // nibbles; d and m
    {Format::kQ5_0, {128, 32, 16}},     // nibbles; one bit; d
    {Format::kQ5_1, {128, 32, 32}},     // nibbles; one bit; d and m
    {Format::kQ8_0, {256, 16}},         // bytes; d
    {Format::kQ2_K, {64, 16, 4}},       // two bits; scale and minimum, a byte a group; d and dmin
    {Format::kQ3_K, {64, 32, 16}},      // two bits; one bit; d and pairs of 6-bit scales
    {Format::kQ4_K, {128, 16}},         // nibbles; d, dmin and pairs of a 6-bit scale and minimum
    {Format::kQ5_K, {128, 32, 16}},     // nibbles; one bit; as Q4_K
    {Format::kQ6_K, {128, 64, 16, 2}},  // nibbles; two bits; scales, a byte a group; d
};

const PlaneTable& planes_of(Format format) {
  for (const PlaneTable& row : kPlanes) {
    if (row.format == format) return row;
  }
  throw Error(ErrorKind::kInternal, fmt::format("format {} has no resident layout", info(format).name));
}

using Bytes = const uint8_t*;

uint32_t code_bits(Format format) {
  switch (format) {
    case Format::kQ2_K:
      return 2;
    case Format::kQ3_K:
      return 3;
    case Format::kQ4_0:
    case Format::kQ4_1:
    case Format::kQ4_K:
      return 4;
    case Format::kQ5_0:
    case Format::kQ5_1:
    case Format::kQ5_K:
      return 5;
    case Format::kQ6_K:
      return 6;
    default:
      return 8;
  }
}

void put_word(uint8_t* out, uint32_t word) {
  std::memcpy(out, &word, 4);
}

/// Packs the `bits` bits of 32 codes from bit `from` up into their plane, as the header describes.
void pack_plane(const uint8_t* codes, uint32_t from, uint32_t bits, uint8_t* out) {
  uint32_t words[8] = {};
  for (uint32_t i = 0; i < kUnit; ++i) {
    const uint32_t h = i / 16;
    const uint32_t s = i % 16 / 4;
    const uint32_t field = (uint32_t{codes[i]} >> from & ((1U << bits) - 1)) << 8 * (i % 4);
    switch (bits) {
      case 8:
        words[4 * h + s] |= field;
        break;
      case 4:
        words[2 * h + s / 2] |= field << 4 * (s % 2);
        break;
      case 2:
        words[h] |= field << 2 * s;
        break;
      default:
        words[0] |= field << (4 * h + s);
        break;
    }
  }
  for (size_t w = 0; w < bits; ++w) put_word(out + 4 * w, words[w]);
}

/// Eight pairs of 6-bit numbers as three words: byte u of the first two is the low nibbles of pair u (first |
/// second
/// << 4); nibble u of the third its upper bits (first | second << 2).
void pack_pairs(const uint8_t (&first)[8], const uint8_t (&second)[8], uint8_t* out) {
  uint32_t high = 0;
  for (uint32_t u = 0; u < 8; ++u) {
    out[u] = static_cast<uint8_t>((first[u] & 15) | (second[u] & 15) << 4);
    high |= (uint32_t{first[u]} >> 4 | uint32_t{second[u]} >> 4 << 2) << 4 * u;
  }
  put_word(out + 8, high);
}

/// The 6-bit scales and minima of a block: those of Q4_K and Q5_K as they belong together, the sixteen scales
/// of Q3_K as pairs of neighbours.
void pack_6_bit_scales(Format format, Bytes block, uint8_t* out) {
  uint8_t scale[16];
  uint8_t minimum[16];
  info(format).codec->scales(reinterpret_cast<const std::byte*>(block), scale, minimum);
  uint8_t pair[2][8];
  for (size_t u = 0; u < 8; ++u) {
    pair[0][u] = format == Format::kQ3_K ? scale[2 * u] : scale[u];
    pair[1][u] = format == Format::kQ3_K ? scale[2 * u + 1] : minimum[u];
  }
  pack_pairs(pair[0], pair[1], out);
}

/// Writes the scales of block `b` of a row into its planes.
void pack_scales(Format format, Bytes block, uint64_t b, uint8_t* row, const RowLayout& layout) {
  const auto plane = [&](uint32_t index, uint64_t bytes) { return row + layout.plane[index] + b * bytes; };
  switch (format) {
    case Format::kQ4_0:
    case Format::kQ8_0:
      std::memcpy(plane(1, 2), block, 2);
      break;
    case Format::kQ4_1:
      std::memcpy(plane(1, 4), block, 4);
      break;
    case Format::kQ5_0:
      std::memcpy(plane(2, 2), block, 2);
      break;
    case Format::kQ5_1:
      std::memcpy(plane(2, 4), block, 4);
      break;
    case Format::kQ2_K:
      std::memcpy(plane(1, 16), block, 16);
      std::memcpy(plane(2, 4), block + 80, 4);
      break;
    case Format::kQ3_K:
      std::memcpy(plane(2, 16), block + 108, 2);
      std::memset(plane(2, 16) + 2, 0, 2);
      pack_6_bit_scales(format, block, plane(2, 16) + 4);
      break;
    case Format::kQ4_K:
      std::memcpy(plane(1, 16), block, 4);
      pack_6_bit_scales(format, block, plane(1, 16) + 4);
      break;
    case Format::kQ5_K:
      std::memcpy(plane(2, 16), block, 4);
      pack_6_bit_scales(format, block, plane(2, 16) + 4);
      break;
    case Format::kQ6_K:
      std::memcpy(plane(2, 16), block + 192, 16);
      std::memcpy(plane(3, 2), block + 208, 2);
      break;
    default:
      break;
  }
}

void pack_row(Format format, uint64_t columns, Bytes source, uint8_t* out, const RowLayout& layout) {
  const FormatInfo& facts = info(format);
  const uint32_t bits = code_bits(format);
  uint8_t codes[256];
  for (uint64_t b = 0; b < columns / facts.block_elements; ++b) {
    const Bytes block = source + b * facts.block_bytes;
    facts.codec->codes(reinterpret_cast<const std::byte*>(block), codes);
    for (uint32_t u = 0; u < facts.block_elements / kUnit; ++u) {
      const uint64_t unit = b * (facts.block_elements / kUnit) + u;
      // The planes of codes come first: the widest part of the code, then what is above it.
      uint32_t from = 0;
      uint32_t index = 0;
      for (const uint32_t width : {8U, 4U, 2U, 1U}) {
        if (bits - from < width) continue;
        pack_plane(codes + size_t{u} * kUnit, from, width, out + layout.plane[index] + unit * width * 4);
        from += width;
        ++index;
      }
    }
    pack_scales(format, block, b, out, layout);
  }
}

}  // namespace

RowLayout row_layout(Format format, uint64_t columns) {
  const FormatInfo& facts = info(format);
  if (columns == 0 || columns % kUnit != 0 || columns % facts.block_elements != 0 || columns > (1U << 20)) {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("rows of {} weights in {} cannot be computed with: a multiple of {} up to 1048576 can",
                    columns, facts.name, std::max(facts.block_elements, kUnit)));
  }
  RowLayout layout;
  const PlaneTable& table = planes_of(format);
  for (size_t i = 0; i < table.bytes.size() && table.bytes[i] > 0; ++i) {
    layout.plane[i] = layout.row_bytes;
    const uint64_t bytes = table.bytes[i] * columns / 256;
    layout.row_bytes += static_cast<uint32_t>((bytes + 15) / 16 * 16);
  }
  return layout;
}

void pack_rows(Format format, uint64_t columns, uint64_t rows, std::span<const std::byte> source,
               std::span<std::byte> out) {
  const RowLayout layout = row_layout(format, columns);
  const uint64_t file_row = bytes_for(format, columns);
  if (source.size() != rows * file_row || out.size() != rows * layout.row_bytes) {
    throw Error(ErrorKind::kInternal, "pack_rows was given buffers of the wrong size");
  }
  const auto* from = reinterpret_cast<Bytes>(source.data());
  auto* to = reinterpret_cast<uint8_t*>(out.data());
  for (uint64_t r = 0; r < rows; ++r) {
    if (info(format).block_elements == 1) {
      std::memcpy(to + r * layout.row_bytes, from + r * file_row, file_row);
    } else {
      pack_row(format, columns, from + r * file_row, to + r * layout.row_bytes, layout);
    }
  }
}

}  // namespace caldera::quant
