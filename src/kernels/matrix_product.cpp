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

/// Rows of weights that one result is made of.
uint32_t rows_a_result(const Product& op) {
  return op.epilogue == Epilogue::kSwiGlu ? 2 : 1;
}

/// Whether every four rows of the results begin where they can be stored at once.
bool results_align(const Product& op) {
  // Of gate and up four rows are two results.
  const uint32_t side_by_side = 4 / rows_a_result(op);
  return op.out.address % (side_by_side * sizeof(float)) == 0 && op.out_stride % side_by_side == 0 &&
         std::ranges::all_of(op.weights->segments, [&](const Segment& segment) {
           return (op.first_output + segment.first_row / rows_a_result(op)) % side_by_side == 0;
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

/// A counter of parts is for a tile of at least so many rows and tokens.
constexpr uint32_t kCounted = 16;

/// Rows of weights that `out` has room for.
uint32_t all_rows(const Product& op) {
  return op.out_stride * rows_a_result(op);
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
      shader(takes_bf16(matrix.format, units_) ? "matmul_units_bf16" : "matmul_units", matrix.format,
             matrix.storage),
      {subgroup_ * tiles.subgroups(), subgroup_, static_cast<uint32_t>(op.epilogue), op.bias != 0 ? 1U : 0U,
       static_cast<uint32_t>(op.count), op.input == Input::kHalf ? 1U : 0U, op.half_out ? 1U : 0U,
       results_align(op) ? 1U : 0U, tiles.shape.m, tiles.shape.n, tiles.shape.k, tiles.tokens, tiles.rows,
       tiles.step, tiles.tile_tokens, tiles.tile_rows, tiles.buffers,
       matrix.columns % tiles.step == 0 ? 1U : 0U, tiles.parts > 1 ? 1U : 0U});
}

uint32_t Kernels::matrix_parts(const Product& op, uint32_t columns, const MatrixTiles& tiles) const {
  const Matrix& matrix = *op.weights;
  // Sums are stored four rows at a time, and tiles of neighbours must not share a counter.
  const bool whole = matrix.segments.size() == 1 && matrix.rows % kCounted == 0 &&
                     op.first_output * rows_a_result(op) % kCounted == 0 && all_rows(op) % 4 == 0 &&
                     op.part_sums.address % 16 == 0 && tiles.rows >= kCounted && tiles.tokens >= kCounted &&
                     divide_up(matrix.rows, tiles.rows) <= max_groups_;
  const uint64_t counters = uint64_t{divide_up(all_rows(op), kCounted)} * divide_up(columns, kCounted);
  if (!whole || counters * sizeof(uint32_t) > op.part_counters.bytes) return 1;
  const uint64_t room = op.part_sums.bytes / (uint64_t{columns} * all_rows(op) * sizeof(float));
  const uint32_t steps = divide_up(matrix.columns, tiles.step);
  auto parts = static_cast<uint32_t>(std::min<uint64_t>({tiles.parts, room, steps}));
  // The kernel gives each part as many steps as the first: the last one must not be left without.
  while (parts > 1 && (parts - 1) * divide_up(steps, parts) >= steps) --parts;
  return std::max(parts, 1U);
}

void Kernels::record_matrix(const Target& target, const Product& op) {
  struct {
    uint64_t weights, x, result, bias, batch, grid, part_sums, part_counters;
    uint32_t columns, rows, row_bytes, plane1, plane2, plane3, out_stride;
    float x_scale, sum_scale, out_scale;
    uint32_t most_tokens;
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

  MatrixTiles chosen = tiles(matrix_key_of(op, target.columns));
  chosen.parts = matrix_parts(op, target.columns, chosen);
  const uint64_t first_row = uint64_t{op.first_output} * rows_a_result(op);
  c.part_sums = op.part_sums.address + first_row * sizeof(float);
  c.part_counters = op.part_counters.address +
                    first_row / kCounted * divide_up(target.columns, kCounted) * sizeof(uint32_t);
  c.most_tokens = target.columns;
  const vulkan::Pipeline& pipe = matrix_pipeline(op, chosen);
  std::vector<Range> writes{op.out};
  // Also for those beside it: this one may be in one part, and they in several.
  if (op.part_sums.bytes > 0) writes.insert(writes.end(), {op.part_sums, op.part_counters});
  std::vector<Range> reads{op.x, batch_range(target.batch)};
  if (op.epilogue == Epilogue::kAdd) reads.push_back(op.out);
  bool first = !op.beside;
  for_each_part(matrix, max_groups_ * chosen.rows, [&](const Segment& part) {
    c.weights = part.address;
    c.rows = part.rows;
    const uint32_t row = part.first_row;
    c.result = op.out.address +
               uint64_t{op.first_output + row / rows_a_result(op)} * (op.half_out ? 2 : sizeof(float));
    c.bias = op.bias != 0 ? op.bias + uint64_t{row} * sizeof(float) : 0;
    // Parts of one product write different rows: only the first is ordered against what came before.
    target.recording->dispatch(
        pipe, bytes_of(c),
        {divide_up(target.columns, chosen.tokens), divide_up(c.rows, chosen.rows), chosen.parts},
        first ? std::span<const Range>(reads) : std::span<const Range>(),
        first ? std::span<const Range>(writes) : std::span<const Range>());
    first = false;
  });
}

}  // namespace caldera::kernels
