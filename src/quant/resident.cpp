#include "quant/resident.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "caldera/error.hpp"
#include "quant/codec.hpp"

namespace caldera::quant {
namespace {

/// One plane of a format: what it holds of every block.
struct Plane {
  enum class Of { kNothing, kCodes, kPairs, kField };
  Of of = Of::kNothing;
  uint32_t bytes = 0;  ///< of each block
  uint32_t from = 0;   ///< kField: where they are in the block
};

constexpr Plane codes(uint32_t bits, uint32_t block_elements) {
  return {Plane::Of::kCodes, bits * block_elements / 8};
}
/// Bytes as they are in the file.
constexpr Plane field(uint32_t from, uint32_t bytes) {
  return {Plane::Of::kField, bytes, from};
}
/// d, dmin (zero where there is none), and pairs of 6-bit numbers.
constexpr Plane pairs() {
  return {Plane::Of::kPairs, 16};
}

struct PlaneTable {
  Format format;
  std::array<Plane, 4> planes;  ///< in the order of RowLayout::plane
};

constexpr PlaneTable kPlanes[] = {
    {Format::kF32, {field(0, 4)}},
    {Format::kF16, {field(0, 2)}},
    {Format::kBF16, {field(0, 2)}},
    {Format::kQ4_0, {codes(4, 32), field(0, 2)}},                // d
    {Format::kQ4_1, {codes(4, 32), field(0, 4)}},                // d and m
    {Format::kQ5_0, {codes(4, 32), codes(1, 32), field(0, 2)}},  // d
    {Format::kQ5_1, {codes(4, 32), codes(1, 32), field(0, 4)}},  // d and m
    {Format::kQ8_0, {codes(8, 32), field(0, 2)}},                // d
    // scale and minimum, a byte a group; d and dmin
    {Format::kQ2_K, {codes(2, 256), field(0, 16), field(80, 4)}},
    {Format::kQ3_K, {codes(2, 256), codes(1, 256), pairs()}},  // neighbouring scales
    {Format::kQ4_K, {codes(4, 256), pairs()}},                 // scale and minimum
    {Format::kQ5_K, {codes(4, 256), codes(1, 256), pairs()}},  // scale and minimum
    // scales, a byte a group; d
    {Format::kQ6_K, {codes(4, 256), codes(2, 256), field(192, 16), field(208, 2)}},
    {Format::kIQ1_S, {codes(1, 256), {Plane::Of::kCodes, 16}, field(0, 2)}},  // words; d
    // low bits of the indices; their high bits and signs of delta; scales and d
    {Format::kIQ1_M, {field(0, 32), field(32, 16), field(48, 8)}},
    {Format::kIQ2_XXS, {field(2, 64), field(0, 2)}},  // indices, and signs with scales; d
    {Format::kIQ4_NL, {codes(4, 32), field(0, 2)}},   // d
    {Format::kIQ4_XS, {codes(4, 256), field(0, 8)}},  // d and scales
    {Format::kMXFP4, {codes(4, 32), field(0, 1)}},    // e
};

const PlaneTable& planes_of(Format format) {
  for (const PlaneTable& row : kPlanes) {
    if (row.format == format) return row;
  }
  throw Error(ErrorKind::kInternal, fmt::format("format {} has no resident layout", info(format).name));
}

template <size_t kBytes>
void copy_fields(const std::byte* source, size_t blocks, size_t block_bytes, std::byte* out) {
  for (size_t b = 0; b < blocks; ++b) std::memcpy(out + b * kBytes, source + b * block_bytes, kBytes);
}

/// Copies `bytes` bytes of every block; the compiler must know the number, or each copy is a call.
void pack_field(const std::byte* source, size_t blocks, size_t block_bytes, size_t bytes, std::byte* out) {
  switch (bytes) {
    case 1:
      return copy_fields<1>(source, blocks, block_bytes, out);
    case 2:
      return copy_fields<2>(source, blocks, block_bytes, out);
    case 4:
      return copy_fields<4>(source, blocks, block_bytes, out);
    case 8:
      return copy_fields<8>(source, blocks, block_bytes, out);
    case 16:
      return copy_fields<16>(source, blocks, block_bytes, out);
    case 32:
      return copy_fields<32>(source, blocks, block_bytes, out);
    case 64:
      return copy_fields<64>(source, blocks, block_bytes, out);
    default:
      throw Error(ErrorKind::kInternal, fmt::format("fields of {} bytes cannot be packed", bytes));
  }
}

/// Packs a row plane by plane: what is written ascends, and the file's row stays in the cache meanwhile.
void pack_row(const FormatInfo& facts, const PlaneTable& table, const RowLayout& layout, size_t blocks,
              const std::byte* source, std::byte* out) {
  const Codec::Pack* pack_codes = facts.codec->codes;
  for (size_t i = 0; i < table.planes.size(); ++i) {
    const Plane& plane = table.planes[i];
    std::byte* const to = out + layout.plane[i];
    switch (plane.of) {
      case Plane::Of::kNothing:
        return;
      case Plane::Of::kCodes:
        (*pack_codes++)(source, blocks, to);
        break;
      case Plane::Of::kPairs:
        facts.codec->pairs(source, blocks, to);
        break;
      case Plane::Of::kField:
        pack_field(source + plane.from, blocks, facts.block_bytes, plane.bytes, to);
        break;
    }
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
  for (size_t i = 0; i < table.planes.size() && table.planes[i].of != Plane::Of::kNothing; ++i) {
    layout.plane[i] = layout.row_bytes;
    const uint64_t bytes = table.planes[i].bytes * (columns / facts.block_elements);
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
  const FormatInfo& facts = info(format);
  if (facts.block_elements == 1) {  // as in the file, and rows need no padding
    std::memcpy(out.data(), source.data(), source.size());
    return;
  }
  const PlaneTable& table = planes_of(format);
  for (uint64_t r = 0; r < rows; ++r) {
    pack_row(facts, table, layout, columns / facts.block_elements, source.data() + r * file_row,
             out.data() + r * layout.row_bytes);
  }
}

}  // namespace caldera::quant
