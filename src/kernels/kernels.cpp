#include "kernels/kernels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "caldera/error.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/shaders.hpp"
#include "quant/codebook.hpp"

namespace caldera::kernels {
namespace {

/// Rows of one dispatch: groups in x are limited to 65535 on many devices.
constexpr uint32_t kMaxGroups = 65535;
/// Stands for the address of a table on a device that only compiles.
constexpr uint64_t kNoMemory = 1 << 16;

}  // namespace

Kernels::Kernels(vulkan::Device& device, vulkan::PipelineStore& pipelines)
    : device_(device), pipelines_(pipelines) {
  const vulkan::PhysicalDevice& physical = device.physical();
  software_ = physical.type == VK_PHYSICAL_DEVICE_TYPE_CPU;
  prefers_int8_ = !software_ && physical.info.integer_dot_product;
  subgroup_ = physical.info.subgroup_size;
  mixed_dot_ = physical.mixed_dot_product;
  max_groups_ = kMaxGroups;
  max_shared_ = physical.info.max_shared_bytes;
  max_threads_ = std::bit_floor(physical.info.max_workgroup_invocations);
  // Wide waves make the tail of short rows longer; 32 lanes where the device lets us choose.
  if (physical.subgroup_size_control) {
    subgroup_ = std::clamp(physical.info.max_subgroup_size >= 32 ? 32U : subgroup_,
                           physical.info.min_subgroup_size, physical.info.max_subgroup_size);
  }
  if (compiler_knows_cooperative_matrix()) {
    units_ = {unit_shapes(physical),          subgroup_, max_threads_,
              physical.info.max_shared_bytes, software_, physical.vendor_id == kVendorNvidia};
    if (compiler_knows_bfloat16() && physical.bf16_matrices) {
      units_.bf16_shapes = unit_shapes(physical, VK_COMPONENT_TYPE_BFLOAT16_KHR);
    }
    use_matrix_units(matrix_use_);
    attention_units_ = caldera::kernels::attention_units(physical, subgroup_, max_threads_);
  }
  if (subgroup_ > kPageTokens) {  // attention's tiles of keys would straddle pages
    throw Error(ErrorKind::kDevice,
                fmt::format("{} computes in subgroups of {} and kernels are made for up to "
                            "{}: choose another device",
                            physical.info.name, subgroup_, kPageTokens));
  }
}

void Kernels::use_matrix_units(MatrixUse use) {
  matrix_use_ = use;
  if (uses_matrix_units() && !fragments_ && !device_.compile_only())
    fragments_ = fragment_layout(device_, pipelines_, units_.shapes, subgroup_);
}

uint32_t Kernels::subgroups(uint32_t most) const {
  return std::clamp(max_threads_ / subgroup_, 1U, most);
}

uint64_t Kernels::grid(quant::Format format) {
  const quant::Grid words = quant::grid_of(format);
  if (words.empty()) return 0;
  if (device_.compile_only()) return kNoMemory;
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

void Kernels::record(const Target& target, const Embed& op) {
  check_alignment(*op.table);
  struct {
    uint64_t table, x, batch, grid;
    uint32_t columns, first_row, rows, row_bytes, plane1, plane2, plane3;
  } c{};
  c.x = op.x.address;
  c.batch = target.batch;
  c.grid = grid(op.table->format);
  set_layout(c, *op.table);
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
    uint64_t x, weight, normed, int8, batch;
    uint32_t width;
    float epsilon;
  } c{op.x.address, op.weight, op.out.address, op.out_int8.address, target.batch, op.width, op.epsilon};
  // A row is short: it is the way to memory and back that takes the time, so all of it is under way at once.
  const uint32_t threads = subgroup_ * (software_ ? 1 : subgroups(divide_up(op.width, 8 * subgroup_)));
  const auto& pipe = pipeline(
      shader("norm"), {threads, subgroup_, op.gather ? 1U : 0U, op.out.bytes > 0 && !op.half ? 1U : 0U,
                       op.out_int8.bytes > 0 ? 1U : 0U, op.terms, op.half ? 1U : 0U});
  const Range reads[] = {op.x, batch_range(target.batch)};
  std::vector<Range> writes;
  for (const Range& range : {op.out, op.out_int8}) {
    if (range.bytes > 0) writes.push_back(range);
  }
  target.recording->dispatch(pipe, bytes_of(c), {target.columns, 1, 1}, reads, writes);
}

void Kernels::record(const Target& target, const Quantize& op) {
  struct {
    uint64_t x, vectors, batch;
    uint32_t width;
  } c{op.x.address, op.out.address, target.batch, op.width};
  const uint32_t threads = subgroup_ * subgroups(4);
  const Range reads[] = {op.x, batch_range(target.batch)};
  target.recording->dispatch(pipeline(shader("quantize"), {threads}), bytes_of(c),
                             {divide_up(op.width / 4, threads), target.columns, 1}, reads, {&op.out, 1});
}

void Kernels::record(const Target& target, const SwiGlu& op) {
  struct {
    uint64_t gate, up, result, vectors, batch;
    uint32_t width;
    float half_scale;
  } c{op.gate.address, op.up.address, op.out.address, op.out_int8.address,
      target.batch,    op.width,      kHiddenScale};
  const uint32_t threads = subgroup_ * subgroups(4);
  const bool int8 = op.out_int8.bytes > 0;
  const auto& pipe = pipeline(shader("swiglu"), {threads, int8 ? 1U : 0U, op.half ? 1U : 0U});
  const Range reads[] = {op.gate, op.up, batch_range(target.batch)};
  target.recording->dispatch(pipe, bytes_of(c), {divide_up(op.width / 4, threads), target.columns, 1}, reads,
                             {int8 ? &op.out_int8 : &op.out, 1});
}

}  // namespace caldera::kernels
