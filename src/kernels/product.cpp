// Products of weight matrices with activations.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "caldera/error.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/kernels.hpp"
#include "kernels/shaders.hpp"
#include "quant/file_layout.hpp"

namespace caldera::kernels {

void check_alignment(const Matrix& matrix) {
  if (matrix.storage != Storage::kFile) return;
  const uint32_t alignment = quant::file_alignment(matrix.format);
  for (const Segment& segment : matrix.segments) {
    if (segment.address % alignment == 0) continue;
    throw Error(
        ErrorKind::kInternal,
        fmt::format("weights in {} lie at {:#x}, where kernels need a multiple of {}: copy them there",
                    quant::info(matrix.format).name, segment.address, alignment));
  }
}

Kernels::ProductShape Kernels::product_shape(uint32_t columns) const {
  ProductShape shape;
  const bool many = columns > kMaxVectorColumns;
  // A software device pays dozens of cycles for a broadcast, and for loading a number: it is best served by
  // the kernel that does neither often, with tall tiles.
  shape.tiles = tiles_ == Tiles::kAlways || (tiles_ == Tiles::kAuto && many && !software_);
  shape.subgroups = software_ ? 1 : subgroups(4);
  if (shape.tiles) {
    // The sums are 32 by 2 (or 64 by 1) registers a lane.
    const uint32_t row_tiles = std::max(1U, 32 / subgroup_);
    const uint32_t columns_a_lane = subgroup_ > 32 ? 1 : 2;
    shape.constants = {row_tiles, columns_a_lane};
    shape.rows = row_tiles * subgroup_ * shape.subgroups;
    shape.columns = columns_a_lane * subgroup_;
  } else {
    shape.columns = std::min(std::bit_ceil(columns), kMaxVectorColumns);
    // Rows share what is loaded of vectors, which is most of a software device's work where they are several.
    const uint32_t rows_each = !software_ ? 2 : shape.columns < 4 ? 16 : 32;
    shape.constants = {rows_each, shape.columns};
    shape.rows = rows_each * shape.subgroups;
  }
  return shape;
}

void Kernels::record(const Target& target, const Product& op) {
  if (op.input == Input::kInt8 || op.input == Input::kNormed) return record_int8(target, op);
  if (multiplies_on_units(op, target.columns) || op.input == Input::kHalf || op.half_out)
    return record_matrix(target, op);
  struct {
    uint64_t weights, x, result, bias, batch, grid;
    uint32_t columns, rows, row_bytes, plane1, plane2, plane3, x_stride, out_stride;
  } c{};
  const Matrix& matrix = *op.weights;
  check_alignment(matrix);
  c.x = op.x.address;
  c.batch = target.batch;
  c.grid = grid(matrix.format);
  set_layout(c, matrix);
  c.x_stride = matrix.columns;
  c.out_stride = op.out_stride;

  const ProductShape shape = product_shape(target.columns);
  const auto& pipe = pipeline(shader(shape.tiles ? "matmul" : "matvec", matrix.format, matrix.storage),
                              {subgroup_ * shape.subgroups, subgroup_, shape.constants[0], shape.constants[1],
                               static_cast<uint32_t>(op.epilogue), op.bias != 0 ? 1U : 0U,
                               static_cast<uint32_t>(op.count), software_ ? 1U : 0U});
  const uint32_t outputs_a_row = op.epilogue == Epilogue::kSwiGlu ? 2 : 1;
  std::vector<Range> reads{op.x, batch_range(target.batch)};
  if (op.epilogue == Epilogue::kAdd) reads.push_back(op.out);
  bool first = !op.beside;
  for_each_part(matrix, max_groups_ * shape.rows, [&](const Segment& part) {
    c.weights = part.address;
    c.rows = part.rows;
    const uint32_t row = part.first_row;
    c.result = op.out.address + uint64_t{op.first_output + row / outputs_a_row} * sizeof(float);
    c.bias = op.bias != 0 ? op.bias + uint64_t{row} * sizeof(float) : 0;
    // Parts of one product write different rows: only the first is ordered against what came before.
    target.recording->dispatch(
        pipe, bytes_of(c), {divide_up(c.rows, shape.rows), divide_up(target.columns, shape.columns), 1},
        first ? std::span<const Range>(reads) : std::span<const Range>(), std::span(&op.out, first ? 1 : 0));
    first = false;
  });
}

}  // namespace caldera::kernels
