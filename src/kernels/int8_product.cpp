// Products of weight matrices with int8 vectors.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "caldera/error.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/kernels.hpp"
#include "kernels/shaders.hpp"
#include "quant/codebook.hpp"

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

ProductChoice Kernels::choice(const ProductKey& key) const {
  if (const auto found = choices_.find(key); found != choices_.end()) return found->second;
  // What was fastest on an H200 (docs/performance.md). Several rows share what is done with activations,
  // which counts where there is much of it for a weight: with several vectors, and in formats of grids.
  const bool shared = key.vectors > 2 || !quant::grid_of(key.format).empty();
  ProductChoice usual;
  switch (key.group_rows) {
    case 0:
      usual = shared            ? ProductChoice{4, 4, 1}
              : key.vectors > 1 ? ProductChoice{4, 2, 1}
                                : ProductChoice{4, key.pairs ? 2U : 1U, key.pairs ? 2U : 4U};
      break;
    case 32:
      usual = key.vectors > 2 ? ProductChoice{16, 2, 2}
              : shared        ? ProductChoice{8, 4, 1}
                              : ProductChoice{32, 1, 4};
      break;
    default:
      usual = shared ? ProductChoice{8, 8, 1} : ProductChoice{16, 2, 2};
      break;
  }
  if (key.vectors > 4) usual.rows = std::min(usual.rows, 4U);
  usual.subgroups = subgroups(usual.subgroups);
  if (key.group_rows > 0) usual.passes = key.group_rows / (usual.rows * usual.subgroups);
  return usual;
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
  return pipeline(shader("matvec_int8", key.format, op.weights->storage),
                  {subgroup_ * chosen.subgroups, subgroup_, chosen.rows, key.vectors, epilogue,
                   op.bias != 0 ? 1U : 0U, static_cast<uint32_t>(op.count), chosen.unroll, chosen.passes,
                   op.input == Input::kNormed ? 1U : 0U, mixed_dot_ ? 1U : 0U, chosen.ahead, op.terms});
}

void Kernels::record_int8(const Target& target, const Product& op) {
  struct {
    uint64_t weights, x, result, vectors, bias, batch, grid, norm;
    uint32_t columns, rows, row_bytes, plane1, plane2, plane3, out_stride, vector_units, first_unit;
    float epsilon;
  } c{};
  const Matrix& matrix = *op.weights;
  const bool makes_vectors = op.out_int8.bytes > 0;
  if (target.columns * op.terms > kMaxVectorColumns || !takes_int8(matrix) ||
      (makes_vectors && !makes_int8(matrix, op.epilogue)) ||
      (op.terms > 1 && (op.terms > 2 || op.epilogue != Epilogue::kStore))) {
    throw Error(ErrorKind::kInternal,
                fmt::format("a product of {} int8 vectors with {} weights in {}", target.columns * op.terms,
                            matrix.columns, quant::info(matrix.format).name));
  }
  c.x = op.x.address;
  c.vectors = op.out_int8.address;
  c.batch = target.batch;
  c.grid = grid(matrix.format);
  c.epsilon = op.epsilon;
  set_layout(c, matrix);
  c.out_stride = op.out_stride;

  const ProductKey key = key_of(op, target.columns);
  ProductChoice chosen = choice(key);
  if (key.pairs && chosen.rows == 1) {
    // Gate and up of an output are sums of one subgroup.
    chosen.rows = 2;
    chosen.passes = divide_up(chosen.passes, 2);
  }
  const uint32_t group_rows = chosen.rows * chosen.passes * chosen.subgroups;
  if (key.group_rows > 0) {
    c.vector_units = matrix.rows / key.group_rows;
    if (group_rows != key.group_rows) {
      throw Error(ErrorKind::kInternal, fmt::format("a workgroup of {} rows where its result is a unit of {}",
                                                    group_rows, key.group_rows));
    }
  }
  const vulkan::Pipeline& pipe = int8_pipeline(op, key, chosen);
  const uint32_t outputs_a_row = op.epilogue == Epilogue::kSwiGlu ? 2 : 1;
  std::vector<Range> reads{op.x, batch_range(target.batch)};
  if (op.epilogue == Epilogue::kAdd) reads.push_back(op.out);
  std::vector<Range> writes;
  if (!makes_vectors || op.epilogue == Epilogue::kAdd) writes.push_back(op.out);
  if (makes_vectors) writes.push_back(op.out_int8);
  bool first = !op.beside;
  for (const Segment& segment : matrix.segments) {
    // A segment's rows in as many dispatches as the limit on workgroups asks for.
    const uint32_t step = max_groups_ * group_rows;
    for (uint32_t done = 0; done < segment.rows; done += step) {
      c.weights = segment.address + uint64_t{done} * matrix.layout.row_bytes;
      c.rows = std::min(step, segment.rows - done);
      const uint32_t row = segment.first_row + done;
      c.result = op.out.address + uint64_t{op.first_output + row / outputs_a_row} * sizeof(float);
      c.bias = op.bias != 0 ? op.bias + uint64_t{row} * sizeof(float) : 0;
      c.norm = op.out_norm + uint64_t{row} * sizeof(float);
      if (key.group_rows > 0) c.first_unit = row / key.group_rows;
      // Parts of one product write different rows: only the first is ordered against what came before.
      target.recording->dispatch(pipe, bytes_of(c), {divide_up(c.rows, group_rows), 1, 1},
                                 first ? std::span<const Range>(reads) : std::span<const Range>(),
                                 first ? std::span<const Range>(writes) : std::span<const Range>());
      first = false;
    }
  }
}

}  // namespace caldera::kernels
