#include "kernels/kernels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "caldera/error.hpp"
#include "kernels/shaders.hpp"
#include "kernels/state.hpp"
#include "quant/codebook.hpp"
#include "quant/file_layout.hpp"

namespace caldera::kernels {
namespace {

template <class T>
std::span<const std::byte> bytes_of(const T& constants) {
  static_assert(sizeof(T) <= vulkan::kMaxConstantBytes);
  return std::as_bytes(std::span(&constants, 1));
}

uint32_t divide_up(uint32_t value, uint32_t by) {
  return (value + by - 1) / by;
}

/// The batch's head and entries as a range: what the sampler writes and everyone reads.
Range batch_range(uint64_t address) {
  return {address, sizeof(BatchHead)};
}

/// Wide loads from a misaligned address give nonsense or lose the device. Errors: kInternal.
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

/// Rows of one dispatch: groups in x are limited to 65535 on many devices.
constexpr uint32_t kMaxGroups = 65535;

}  // namespace

Kernels::Kernels(vulkan::Device& device, vulkan::PipelineStore& pipelines)
    : device_(device), pipelines_(pipelines) {
  const vulkan::PhysicalDevice& physical = device.physical();
  software_ = physical.type == VK_PHYSICAL_DEVICE_TYPE_CPU;
  subgroup_ = physical.info.subgroup_size;
  max_groups_ = kMaxGroups;
  max_threads_ = std::bit_floor(physical.info.max_workgroup_invocations);
  // Wide waves make the tail of short rows longer; 32 lanes where the device lets us choose.
  if (physical.subgroup_size_control) {
    subgroup_ = std::clamp(physical.info.max_subgroup_size >= 32 ? 32U : subgroup_,
                           physical.info.min_subgroup_size, physical.info.max_subgroup_size);
  }
  if (subgroup_ > kPageTokens) {  // attention's tiles of keys would straddle pages
    throw Error(ErrorKind::kDevice,
                fmt::format("{} computes in subgroups of {} and kernels are made for up to "
                            "{}: choose another device",
                            physical.info.name, subgroup_, kPageTokens));
  }
}

uint32_t Kernels::subgroups(uint32_t most) const {
  return std::clamp(max_threads_ / subgroup_, 1U, most);
}

uint64_t Kernels::grid(quant::Format format) {
  const quant::Grid words = quant::grid_of(format);
  if (words.empty()) return 0;
  vulkan::Allocation& memory = grids_[words.data()];
  if (!memory) {
    memory = device_.memory().allocate(words.size_bytes(), vulkan::Residency::kDevice,
                                       vulkan::Purpose::kWeights, "a table of the kernels");
    device_.upload(memory, 0, std::as_bytes(words));
    device_.end_uploads();
  }
  return memory.address();
}

const vulkan::Pipeline& Kernels::pipeline(const vulkan::Shader& shader, std::vector<uint32_t> constants) {
  return pipelines_.get(shader, constants, subgroup_);
}

uint32_t Kernels::splits_for(uint32_t tokens, uint32_t groups) const {
  if (software_) return 1;
  // A part of fewer than 128 keys costs more in merging than it saves.
  uint32_t splits = 1;
  while (splits < kMaxSplits && splits * groups < 256 && tokens / (splits * 2) >= 128) splits *= 2;
  return splits;
}

void Kernels::record(const Target& target, const Embed& op) {
  check_alignment(*op.table);
  struct {
    uint64_t table, x, batch, grid;
    uint32_t columns, first_row, rows, row_bytes, plane1, plane2, plane3;
  } c{};
  c.x = op.x.address;
  c.batch = target.batch;
  c.grid = grid(op.table->format);
  c.columns = op.table->columns;
  c.row_bytes = op.table->layout.row_bytes;
  c.plane1 = op.table->layout.plane[1];
  c.plane2 = op.table->layout.plane[2];
  c.plane3 = op.table->layout.plane[3];
  const auto& pipe = pipeline(shader("embed", op.table->format, op.table->storage), {subgroup_});
  const Range reads[] = {batch_range(target.batch)};
  // Segments write different rows of x, so only the first is ordered against what came before.
  for (size_t i = 0; i < op.table->segments.size(); ++i) {
    const Segment& segment = op.table->segments[i];
    c.table = segment.address;
    c.first_row = segment.first_row;
    c.rows = segment.rows;
    const Range writes[] = {op.x};
    target.recording->dispatch(pipe, bytes_of(c), {target.columns, 1, 1}, reads,
                               std::span(writes, i == 0 ? 1 : 0));
  }
}

void Kernels::record(const Target& target, const Norm& op) {
  struct {
    uint64_t x, weight, normed, batch;
    uint32_t width;
    float epsilon;
  } c{op.x.address, op.weight, op.out.address, target.batch, op.width, op.epsilon};
  const auto& pipe = pipeline(shader("norm"), {subgroup_, op.gather ? 1U : 0U});
  const Range reads[] = {op.x, batch_range(target.batch)};
  target.recording->dispatch(pipe, bytes_of(c), {target.columns, 1, 1}, reads, {&op.out, 1});
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
    const uint32_t rows_each = software_ ? 16 : 2;
    shape.columns = std::min(std::bit_ceil(columns), kMaxVectorColumns);
    shape.constants = {rows_each, shape.columns};
    shape.rows = rows_each * shape.subgroups;
  }
  return shape;
}

void Kernels::record(const Target& target, const Product& op) {
  struct {
    uint64_t weights, x, result, bias, batch, grid;
    uint32_t columns, rows, row_bytes, plane1, plane2, plane3, x_stride, out_stride;
  } c{};
  const Matrix& matrix = *op.weights;
  check_alignment(matrix);
  c.x = op.x.address;
  c.batch = target.batch;
  c.grid = grid(matrix.format);
  c.columns = matrix.columns;
  c.row_bytes = matrix.layout.row_bytes;
  c.plane1 = matrix.layout.plane[1];
  c.plane2 = matrix.layout.plane[2];
  c.plane3 = matrix.layout.plane[3];
  c.x_stride = matrix.columns;
  c.out_stride = op.out_stride;

  const ProductShape shape = product_shape(target.columns);
  const auto& pipe =
      pipeline(shader(shape.tiles ? "matmul" : "matvec", matrix.format, matrix.storage),
               {subgroup_ * shape.subgroups, subgroup_, shape.constants[0], shape.constants[1],
                static_cast<uint32_t>(op.epilogue), op.bias != 0 ? 1U : 0U, static_cast<uint32_t>(op.count)});
  const uint32_t outputs_a_row = op.epilogue == Epilogue::kSwiGlu ? 2 : 1;
  std::vector<Range> reads{op.x, batch_range(target.batch)};
  if (op.epilogue == Epilogue::kAdd) reads.push_back(op.out);
  bool first = true;
  for (const Segment& segment : matrix.segments) {
    // A segment's rows in as many dispatches as the limit on workgroups asks for.
    const uint32_t step = max_groups_ * shape.rows;
    for (uint32_t done = 0; done < segment.rows; done += step) {
      c.weights = segment.address + uint64_t{done} * matrix.layout.row_bytes;
      c.rows = std::min(step, segment.rows - done);
      const uint32_t row = segment.first_row + done;
      c.result = op.out.address + uint64_t{op.first_output + row / outputs_a_row} * sizeof(float);
      c.bias = op.bias != 0 ? op.bias + uint64_t{row} * sizeof(float) : 0;
      // Parts of one product write different rows: only the first is ordered against what came before.
      target.recording->dispatch(pipe, bytes_of(c),
                                 {divide_up(c.rows, shape.rows), divide_up(target.columns, shape.columns), 1},
                                 first ? std::span<const Range>(reads) : std::span<const Range>(),
                                 std::span(&op.out, first ? 1 : 0));
      first = false;
    }
  }
}

void Kernels::record(const Target& target, const Rope& op) {
  struct {
    uint64_t qkv, table, query_norm, key_norm, batch, tables;
    uint32_t heads, kv_heads, rotated, layer_offset, v_offset;
    float epsilon, query_scale;
  } c{op.qkv.address,    op.table,       op.query_norm,     op.key_norm, target.batch,
      op.page_tables,    op.shape.heads, op.shape.kv_heads, op.rotated,  op.shape.layer_offset,
      op.shape.v_offset, op.epsilon,     op.query_scale};
  const auto& pipe =
      pipeline(shader("rope"), {subgroup_, op.shape.head, op.neox ? 1U : 0U, op.query_norm != 0 ? 1U : 0U});
  const Range reads[] = {op.qkv, batch_range(target.batch)};
  const Range writes[] = {op.qkv, op.kv};
  target.recording->dispatch(pipe, bytes_of(c), {op.shape.heads + 2 * op.shape.kv_heads, target.columns, 1},
                             reads, writes);
}

void Kernels::record(const Target& target, const Attention& op) {
  struct {
    uint64_t qkv, result, parts, batch, tables;
    uint32_t heads, kv_heads, layer_offset, v_offset, window;
  } c{op.qkv.address, op.out.address,    op.parts.address,      target.batch,      op.page_tables,
      op.shape.heads, op.shape.kv_heads, op.shape.layer_offset, op.shape.v_offset, op.shape.window};
  // Heads that share keys, and then neighbouring tokens, are served together, as many as the registers hold.
  // The kernel is unrolled over queries and dimensions, and a software device compiles long kernels for
  // minutes.
  const uint32_t most = software_ ? std::clamp(384 / op.shape.head, 1U, 8U) : 8;
  const uint32_t sharing = op.shape.heads / op.shape.kv_heads;
  uint32_t heads_each = std::min({sharing, 4U, most});
  while (sharing % heads_each != 0) --heads_each;
  const uint32_t tokens_each = target.one_token_each ? 1 : std::max(1U, most / heads_each);
  const auto& pipe = pipeline(shader("attention"), {subgroup_, subgroup_, op.shape.head, heads_each,
                                                    heads_each * tokens_each, target.splits});
  const Range reads[] = {op.qkv, op.kv, batch_range(target.batch)};
  const Range& written = target.splits > 1 ? op.parts : op.out;
  target.recording->dispatch(
      pipe, bytes_of(c), {op.shape.heads / heads_each, divide_up(target.columns, tokens_each), target.splits},
      reads, {&written, 1});
  if (target.splits == 1) return;

  struct {
    uint64_t parts, result, batch;
    uint32_t heads;
  } merge{op.parts.address, op.out.address, target.batch, op.shape.heads};
  const auto& merge_pipe = pipeline(shader("attention_merge"), {subgroup_, op.shape.head, target.splits});
  const Range merge_reads[] = {op.parts, batch_range(target.batch)};
  target.recording->dispatch(merge_pipe, bytes_of(merge), {op.shape.heads, target.columns, 1}, merge_reads,
                             {&op.out, 1});
}

void Kernels::record(const Target& target, const SwiGlu& op) {
  struct {
    uint64_t gate, up, result, batch;
    uint32_t width;
  } c{op.gate.address, op.up.address, op.out.address, target.batch, op.width};
  const uint32_t threads = subgroup_ * subgroups(4);
  const auto& pipe = pipeline(shader("swiglu"), {threads});
  const Range reads[] = {op.gate, op.up, batch_range(target.batch)};
  target.recording->dispatch(pipe, bytes_of(c), {divide_up(op.width, threads), target.columns, 1}, reads,
                             {&op.out, 1});
}

void Kernels::record(const Target& target, const Sample& op) {
  struct {
    uint64_t logits, batch, decode_batch, slots;
    uint32_t vocabulary;
  } c{op.logits.address, target.batch, op.decode_batch, op.slots, op.vocabulary};
  const auto& pipe = pipeline(shader("sample"), {software_ ? 32U : std::min(512U, max_threads_)});
  const Range reads[] = {op.logits, batch_range(target.batch)};
  const Range writes[] = {op.logits, batch_range(op.decode_batch)};
  target.recording->dispatch(pipe, bytes_of(c), {target.columns, 1, 1}, reads, writes);
}

}  // namespace caldera::kernels
