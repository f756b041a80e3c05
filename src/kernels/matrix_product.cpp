// Products of weight matrices with many vectors on matrix units.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "caldera/error.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/kernels.hpp"
#include "kernels/shaders.hpp"

namespace caldera::kernels {
namespace {

/// Whether every four rows of the results begin where they can be stored at once.
bool results_align(const Product& op) {
  // Of gate and up four rows are two results.
  const uint32_t outputs_a_row = op.epilogue == Epilogue::kSwiGlu ? 2 : 1;
  const uint32_t side_by_side = 4 / outputs_a_row;
  return op.out.address % (side_by_side * sizeof(float)) == 0 && op.out_stride % side_by_side == 0 &&
         std::ranges::all_of(op.weights->segments, [&](const Segment& segment) {
           return (op.first_output + segment.first_row / outputs_a_row) % side_by_side == 0;
         });
}

/// f16 results are stored two at a time. Errors: kInternal.
void check_half_results(const Product& op) {
  const bool pairs = op.out.address % 4 == 0 && op.out_stride % 2 == 0 && op.first_output % 2 == 0 &&
                     std::ranges::all_of(op.weights->segments, [](const Segment& segment) {
                       return segment.first_row % 4 == 0 && segment.rows % 4 == 0;
                     });
  if (op.epilogue == Epilogue::kSwiGlu && pairs) return;
  throw Error(ErrorKind::kInternal, "f16 results of a product that is none of gate and up, or at odd places");
}

}  // namespace

MatrixKey matrix_key_of(const Product& product, uint32_t tokens) {
  const Matrix& matrix = *product.weights;
  return {matrix.format, matrix.rows, matrix.columns, std::bit_ceil(tokens)};
}

bool Kernels::uses_matrix_units() const {
  if (units_.shapes.empty() || matrix_use_ == MatrixUse::kNever) return false;
  return matrix_use_ == MatrixUse::kAlways || !software_;
}

MatrixTiles Kernels::tiles(const MatrixKey& key) const {
  const auto found = matrix_tiles_.find(key);
  return found != matrix_tiles_.end() ? found->second : usual_tiles(key, units_);
}

const vulkan::Pipeline& Kernels::matrix_pipeline(const Product& op, const MatrixTiles& tiles) {
  const Matrix& matrix = *op.weights;
  return pipeline(
      shader("matmul_units", matrix.format, matrix.storage),
      {subgroup_ * tiles.subgroups(), subgroup_, static_cast<uint32_t>(op.epilogue), op.bias != 0 ? 1U : 0U,
       static_cast<uint32_t>(op.count), op.input == Input::kHalf ? 1U : 0U, op.half_out ? 1U : 0U,
       results_align(op) ? 1U : 0U, tiles.shape.m, tiles.shape.n, tiles.shape.k, tiles.tokens, tiles.rows,
       tiles.step, tiles.tile_tokens, tiles.tile_rows, tiles.buffers,
       matrix.columns % tiles.step == 0 ? 1U : 0U});
}

void Kernels::record_matrix(const Target& target, const Product& op) {
  struct {
    uint64_t weights, x, result, bias, batch, grid;
    uint32_t columns, rows, row_bytes, plane1, plane2, plane3, out_stride;
    float x_scale, sum_scale, out_scale;
  } c{};
  const Matrix& matrix = *op.weights;
  if (!multiplies_on_units(op, target.columns)) {
    throw Error(ErrorKind::kInternal,
                fmt::format("a product of {} f16 vectors without matrix units for it", target.columns));
  }
  check_alignment(matrix);
  if (op.half_out) check_half_results(op);
  c.x = op.x.address;
  c.batch = target.batch;
  c.grid = grid(matrix.format);
  set_layout(c, matrix);
  c.out_stride = op.out_stride;
  c.x_scale = op.half_scale;
  c.sum_scale = 1 / op.half_scale;
  c.out_scale = kHiddenScale;

  const MatrixTiles chosen = tiles(matrix_key_of(op, target.columns));
  const vulkan::Pipeline& pipe = matrix_pipeline(op, chosen);
  const uint32_t outputs_a_row = op.epilogue == Epilogue::kSwiGlu ? 2 : 1;
  std::vector<Range> reads{op.x, batch_range(target.batch)};
  if (op.epilogue == Epilogue::kAdd) reads.push_back(op.out);
  bool first = !op.beside;
  for_each_part(matrix, max_groups_ * chosen.rows, [&](const Segment& part) {
    c.weights = part.address;
    c.rows = part.rows;
    const uint32_t row = part.first_row;
    c.result =
        op.out.address + uint64_t{op.first_output + row / outputs_a_row} * (op.half_out ? 2 : sizeof(float));
    c.bias = op.bias != 0 ? op.bias + uint64_t{row} * sizeof(float) : 0;
    // Parts of one product write different rows: only the first is ordered against what came before.
    target.recording->dispatch(
        pipe, bytes_of(c), {divide_up(target.columns, chosen.tokens), divide_up(c.rows, chosen.rows), 1},
        first ? std::span<const Range>(reads) : std::span<const Range>(), std::span(&op.out, first ? 1 : 0));
    first = false;
  });
}

}  // namespace caldera::kernels
