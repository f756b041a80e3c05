// Products of weight matrices with int8 vectors.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "caldera/error.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/int8_tile.hpp"
#include "kernels/kernels.hpp"
#include "kernels/matvec_units.hpp"
#include "kernels/product_candidates.hpp"
#include "kernels/shaders.hpp"

namespace caldera::kernels {
namespace {

/// Rows that one unit of an int8 vector is made of; 0 where none can be.
uint32_t unit_rows(Epilogue epilogue) {
  switch (epilogue) {
    case Epilogue::kStore:
      return 0;
    case Epilogue::kAdd:
      return 32;
    case Epilogue::kSwiGlu:
      return kMostUnitRows;
  }
  return 0;
}

}  // namespace

bool Kernels::takes_int8(const Matrix& matrix) {
  return matrix.storage == Storage::kResident && quant::info(matrix.format).block_elements > 1;
}

bool Kernels::makes_int8(const Matrix& matrix, Epilogue epilogue) {
  const uint32_t rows = unit_rows(epilogue);
  return takes_int8(matrix) && rows > 0 && std::ranges::all_of(matrix.segments, [&](const Segment& segment) {
           return segment.first_row % rows == 0 && segment.rows % rows == 0;
         });
}

bool Kernels::reads_int8() const {
  return max_shared_ >= kLeastShared && !uses_matrix_units();
}

ProductChoice Kernels::choice(const ProductKey& key) const {
  if (const auto found = choices_.find(key); found != choices_.end()) return found->second;
  return usual_choice(key, workgroup_limits());
}

ProductKey key_of(const Product& product, uint32_t columns) {
  const Matrix& matrix = *product.weights;
  return {matrix.format,
          matrix.rows,
          matrix.columns,
          std::bit_ceil(columns * product.terms),
          product.out_int8.bytes > 0 ? unit_rows(product.epilogue) : 0,
          product.epilogue == Epilogue::kSwiGlu};
}

const vulkan::Pipeline& Kernels::int8_pipeline(const Product& op, const ProductKey& key,
                                               const ProductChoice& chosen) {
  // Those that make int8 vectors follow the others in glsl/epilogue.glsl: kSwiGluInt8, kAddInt8.
  uint32_t epilogue = static_cast<uint32_t>(op.epilogue);
  if (op.out_int8.bytes > 0) epilogue = op.epilogue == Epilogue::kAdd ? 4 : 3;
  const uint32_t bias = op.bias != 0 ? 1 : 0;
  const auto count = static_cast<uint32_t>(op.count);
  const uint32_t normed = op.input == Input::kNormed ? 1 : 0;
  if (chosen.units) {
    const MatvecUnits& units = *chosen.units;
    const WorkgroupLimits limits = workgroup_limits();
    const uint32_t vectors = key.vectors / op.terms;
    const UnitShape shape = matvec_shape(units, limits, vectors);
    const bool fragments = units.fragments != 0;
    std::vector<uint32_t> constants{subgroup_ * units.row_groups * units.slices,
                                    subgroup_,
                                    shape.m,
                                    shape.n,
                                    shape.k,
                                    unit_columns(shape, vectors),
                                    units.tiles,
                                    units.row_groups,
                                    units.slices,
                                    fragments ? limits.fragments->lanes_a_row : units.units,
                                    epilogue,
                                    bias,
                                    count,
                                    normed,
                                    op.terms,
                                    units.ahead};
    if (fragments) constants.push_back(limits.fragments->rows_a_lane);
    return pipeline(shader(fragments ? "matvec_fragments" : "matvec_units", key.format, op.weights->storage),
                    std::move(constants));
  }
  if (chosen.tile) {
    const Int8Tile& tile = *chosen.tile;
    return pipeline(shader("matmul_int8", key.format, op.weights->storage),
                    {lanes(tile), subgroup_, tile.rows, tile.columns, epilogue, bias, count, tile.lane_rows,
                     tile.lane_columns, normed, tile.units, tile.slices, tile.ahead});
  }
  return pipeline(shader("matvec_int8", key.format, op.weights->storage),
                  {subgroup_ * chosen.subgroups, subgroup_, chosen.rows, key.vectors, epilogue, bias, count,
                   chosen.unroll, chosen.passes, normed, mixed_dot_ ? 1U : 0U, chosen.ahead, op.terms});
}

void Kernels::check_int8(const Product& op, uint32_t columns) const {
  const Matrix& matrix = *op.weights;
  const bool terms =
      op.terms == 1 || (op.terms == 2 && op.epilogue == Epilogue::kStore && columns <= most_sum_columns());
  if (takes_int8(matrix) && terms && (op.out_int8.bytes == 0 || makes_int8(matrix, op.epilogue))) return;
  throw Error(ErrorKind::kInternal,
              fmt::format("a product of {} times {} int8 vectors with {} weights in {}", columns, op.terms,
                          matrix.columns, quant::info(matrix.format).name));
}

Kernels::Int8Groups Kernels::int8_groups(const Product& op, const ProductKey& key, uint32_t columns) {
  ProductChoice chosen = choice(key);
  if (chosen.units) {
    if (!possible_units(*chosen.units, key, workgroup_limits())) {
      throw Error(ErrorKind::kInternal,
                  fmt::format("{} int8 vectors in a way that this device's matrix units "
                              "do not have",
                              key.vectors));
    }
    const UnitShape shape = matvec_shape(*chosen.units, workgroup_limits(), key.vectors / op.terms);
    return {&int8_pipeline(op, key, chosen), unit_rows(*chosen.units, shape), 0};
  }
  if (chosen.tile) {
    if (op.terms == 1 && possible_tile(*chosen.tile, key, workgroup_limits())) {
      return {&int8_pipeline(op, key, chosen), chosen.tile->rows, divide_up(columns, chosen.tile->columns)};
    }
    throw Error(ErrorKind::kInternal,
                fmt::format("a tile that this device cannot compute: {} x {} results of {} lanes",
                            chosen.tile->rows, chosen.tile->columns, lanes(*chosen.tile)));
  }
  if (key.vectors > kMaxVectorColumns) {
    throw Error(ErrorKind::kInternal, fmt::format("rows streamed for {} int8 vectors", key.vectors));
  }
  if (key.pairs && chosen.rows == 1) {
    // Gate and up of an output are sums of one subgroup.
    chosen.rows = 2;
    chosen.passes = divide_up(chosen.passes, 2);
  }
  const uint32_t rows = chosen.rows * chosen.passes * chosen.subgroups;
  if (key.group_rows > 0 && rows != key.group_rows) {
    throw Error(ErrorKind::kInternal,
                fmt::format("a workgroup of {} rows where its result is a unit of {}", rows, key.group_rows));
  }
  return {&int8_pipeline(op, key, chosen), rows, 0};
}

void Kernels::record_int8(const Target& target, const Product& op) {
  struct {
    uint64_t weights, x, result, vectors, bias, batch, grid, norm;
    uint32_t columns, rows, row_bytes, plane1, plane2, plane3, out_stride, vector_units, first_unit;
    float epsilon;
  } c{};
  check_int8(op, target.columns);
  const Matrix& matrix = *op.weights;
  const bool makes_vectors = op.out_int8.bytes > 0;
  c.x = op.x.address;
  c.vectors = op.out_int8.address;
  c.batch = target.batch;
  c.grid = grid(matrix.format);
  c.epsilon = op.epsilon;
  set_layout(c, matrix);
  c.out_stride = op.out_stride;

  const ProductKey key = key_of(op, target.columns);
  const Int8Groups groups = int8_groups(op, key, target.columns);
  if (key.group_rows > 0) c.vector_units = matrix.rows / key.group_rows;
  const uint32_t outputs_a_row = op.epilogue == Epilogue::kSwiGlu ? 2 : 1;
  std::vector<Range> reads{op.x, batch_range(target.batch)};
  if (op.epilogue == Epilogue::kAdd) reads.push_back(op.out);
  std::vector<Range> writes;
  if (!makes_vectors || op.epilogue == Epilogue::kAdd) writes.push_back(op.out);
  if (makes_vectors) writes.push_back(op.out_int8);
  bool first = !op.beside;
  for_each_part(matrix, max_groups_ * groups.rows, [&](const Segment& part) {
    c.weights = part.address;
    c.rows = part.rows;
    const uint32_t row = part.first_row;
    c.result = op.out.address + uint64_t{op.first_output + row / outputs_a_row} * sizeof(float);
    c.bias = op.bias != 0 ? op.bias + uint64_t{row} * sizeof(float) : 0;
    c.norm = op.out_norm + uint64_t{row} * sizeof(float);
    if (key.group_rows > 0) c.first_unit = row / key.group_rows;
    // Tiles that share weights run side by side.
    const uint32_t row_groups = divide_up(c.rows, groups.rows);
    const std::array<uint32_t, 3> all = {groups.columns > 0 ? groups.columns : row_groups,
                                         groups.columns > 0 ? row_groups : 1, 1};
    // Parts of one product write different rows: only the first is ordered against what came before.
    target.recording->dispatch(*groups.pipeline, bytes_of(c), all,
                               first ? std::span<const Range>(reads) : std::span<const Range>(),
                               first ? std::span<const Range>(writes) : std::span<const Range>());
    first = false;
  });
}

}  // namespace caldera::kernels
