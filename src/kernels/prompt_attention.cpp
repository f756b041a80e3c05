#include "kernels/prompt_attention.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <span>

#include "caldera/error.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/kernels.hpp"
#include "kernels/matrix_layout.hpp"
#include "kernels/shaders.hpp"
#include "plan/limits.hpp"

namespace caldera::kernels {
namespace {

constexpr uint32_t kVendorAmd = 0x1002;
/// Registers of a lane that may hold matrices and what is on its way; the rest of 255 is for right matrices
/// and addresses. AMD's compiler keeps more of them: of 192 it spills.
constexpr uint32_t kMatrixRegisters = 224;
constexpr uint32_t kAmdMatrixRegisters = 184;
/// Subgroups that fill a large device: 8 for each of 132 multiprocessors, which is what registers allow.
constexpr uint64_t kSubgroups = 1056;

struct Size {
  uint32_t subgroups, row_tiles, keys;
  bool hold_queries;
};

// On Hopper a multiprocessor multiplies 1016 pairs a clock in what Vulkan reaches (471 TFLOP/s) and moves 128
// bytes of shared memory. A subgroup of 16 rows and heads of 128 that meets 32 keys multiplies for 129 clocks
// and reads 16 KB of keys and values in 128; then the tile comes from the L2 (once a workgroup, 128 clocks)
// and goes into shared memory (128). So shared memory is the limit, and what helps is many rows a workgroup,
// two row tiles a subgroup where the registers allow that (heads of 64), and products that go on while
// weights are made. More than half of the kernel's registers are the compiler's own: it takes as many as
// there are.
//
// Where sums lie as left matrices, tiles ahead. On an H200, 512 tokens after 16 384, 32 heads of 128: 597 us
// with {8, 1, 32}, 611 with {4, 1, 32}; after 4 096, heads of 96: 147 and 143, heads of 80: 142 and 131; 2
// 048 tokens, heads of 64: 87 us with {4, 2, 32}, 98 with {4, 1, 64}, 92 with {8, 2, 32}.
constexpr std::array kSmallAhead = {Size{4, 2, 32, true}, Size{4, 1, 64, true}, Size{4, 1, 32, true}};
constexpr std::array kLessAhead = {Size{4, 1, 32, true}, Size{8, 1, 32, true}};
constexpr std::array kMiddleAhead = {Size{8, 1, 32, true}, Size{4, 1, 32, true}, Size{2, 1, 32, true}};
constexpr std::array kLargeAhead = {Size{8, 1, 16, true}, Size{4, 1, 16, true}};
// Elsewhere in turn; the same work takes 674 us with {4, 1, 64}, 809 with {4, 1, 32}, and 122 us with {4, 1,
// 64}. On gfx1151, which holds queries twice, 64 keys and heads of 128 do not fit into registers.
constexpr std::array kSmallHeads = {
    Size{4, 1, 64, true}, Size{4, 1, 32, true}, Size{4, 2, 32, true},  Size{8, 1, 64, true},
    Size{8, 1, 32, true}, Size{2, 1, 32, true}, Size{1, 1, 16, false},
};
constexpr std::array kMiddleHeads = {
    Size{4, 1, 64, true},  Size{4, 1, 32, true}, Size{8, 1, 32, true},
    Size{4, 1, 32, false}, Size{2, 1, 32, true}, Size{1, 1, 16, false},
};
// The sums alone take 128 registers.
constexpr std::array kLargeHeads = {Size{4, 1, 16, true}, Size{2, 1, 16, false}, Size{1, 1, 16, false}};

/// Little code: a software device compiles it for seconds, whatever its speed then.
constexpr std::array kSoftwareList = {Size{1, 1, 16, false}};
constexpr std::span<const Size> kSoftwareSizes = kSoftwareList;

std::span<const Size> sizes_for(uint32_t head, bool ahead) {
  if (head <= 64) return ahead ? std::span<const Size>(kSmallAhead) : kSmallHeads;
  if (head <= 96 && ahead) return kLessAhead;
  if (head <= 128) return ahead ? std::span<const Size>(kMiddleAhead) : kMiddleHeads;
  return ahead ? std::span<const Size>(kLargeAhead) : kLargeHeads;
}

}  // namespace

AttentionUnits attention_units(const vulkan::PhysicalDevice& device, uint32_t subgroup,
                               uint32_t max_threads) {
  AttentionUnits units;
  units.matrix = {unit_shapes(device), subgroup, max_threads, device.info.max_shared_bytes,
                  device.type == VK_PHYSICAL_DEVICE_TYPE_CPU};
  units.loads_turned = device.vendor_id == kVendorNvidia;
  units.halves_twice = device.vendor_id == kVendorAmd;
  std::erase_if(units.matrix.shapes, [&](const UnitShape& like) {
    const bool sums_become_halves =
        std::ranges::any_of(device.matrix_shapes, [&](const vulkan::MatrixShape& shape) {
          constexpr VkComponentTypeKHR kHalf = VK_COMPONENT_TYPE_FLOAT16_KHR;
          return UnitShape{shape.m, shape.n, shape.k} == like && shape.a == kHalf && shape.b == kHalf &&
                 shape.c == kHalf && shape.result == kHalf;
        });
    return !sums_become_halves || like.n % 8 != 0;
  });
  return units;
}

uint32_t rows_of(const PromptAttention& sizes, uint32_t subgroup) {
  if (const auto* units = std::get_if<MatrixAttention>(&sizes))
    return units->subgroups * units->row_tiles * units->shape.m;
  const auto& lanes = std::get<LaneAttention>(sizes);
  return lanes.subgroups * (subgroup / lanes.column_lanes) * lanes.rows_each;
}

uint64_t shared_bytes(const MatrixAttention& sizes, uint32_t head, uint32_t subgroup) {
  constexpr uint64_t kPiece = 16;
  const uint64_t rows = rows_of(sizes, subgroup);
  const uint64_t row = head / 8 + 1;
  const uint64_t values = sizes.turn_values ? uint64_t{head} * (sizes.keys / 8 + 1) : sizes.keys * row;
  const uint64_t tiles = (sizes.ahead ? 2 : 1) * (sizes.keys * row + values);
  const uint64_t queries = sizes.hold_queries ? 1 : rows * row;
  const uint64_t place =
      std::max(sizes.in_place ? 0 : uint64_t{sizes.row_tiles} * sizes.shape.m * (sizes.keys / 8 + 1),
               uint64_t{sizes.shape.m} * std::max(sizes.shape.n / 4 + 1, sizes.shape.k / 8 + 1));
  return kPiece * (tiles + queries + sizes.subgroups * place) + 4 * (rows + sizes.shape.n);
}

bool possible(const MatrixAttention& sizes, uint32_t head, const AttentionUnits& units) {
  if (std::ranges::find(units.matrix.shapes, sizes.shape) == units.matrix.shapes.end() ||
      sizes.subgroups == 0 || sizes.row_tiles == 0 || sizes.keys == 0)
    return false;
  if (head % sizes.shape.n != 0 || head % sizes.shape.k != 0 || sizes.keys % sizes.shape.n != 0 ||
      sizes.keys % sizes.shape.k != 0 || kPageTokens % sizes.keys != 0 ||
      sizes.subgroups * units.matrix.subgroup > units.matrix.max_threads) {
    return false;
  }
  if (sizes.in_place && std::ranges::find(units.alike, sizes.shape) == units.alike.end()) return false;
  // Sums, scores, references and weights in f32, queries in f16, and a tile of keys on its way.
  const uint32_t rows = sizes.row_tiles * sizes.shape.m;
  const uint32_t queries = sizes.hold_queries ? (units.halves_twice ? head : head / 2) : 0;
  const uint32_t numbers =
      rows * (head + sizes.keys + 2 * sizes.shape.n + queries) + sizes.keys * head / 2 / sizes.subgroups;
  const uint32_t registers = units.halves_twice ? kAmdMatrixRegisters : kMatrixRegisters;
  return (units.matrix.software || numbers <= registers * units.matrix.subgroup) &&
         shared_bytes(sizes, head, units.matrix.subgroup) <= units.matrix.max_shared_bytes;
}

std::vector<MatrixAttention> attention_candidates(uint32_t head, const AttentionUnits& units) {
  std::vector<MatrixAttention> candidates;
  const auto add = [&](const Size& size, const UnitShape& shape, bool turn, bool ahead) {
    const uint32_t row_tiles = size.row_tiles * (units.matrix.software ? 1 : std::max(1U, 16 / shape.m));
    const MatrixAttention sizes{shape, size.subgroups, row_tiles, size.keys, size.hold_queries,
                                turn,  ahead,          ahead};
    if (possible(sizes, head, units)) candidates.push_back(sizes);
  };
  const std::span<const UnitShape> shapes = units.matrix.shapes;
  if (!units.matrix.software) {
    for (const Size& size : sizes_for(head, true)) {
      for (const UnitShape& shape : units.alike) add(size, shape, !units.loads_turned, true);
    }
  }
  for (const bool turn : {!units.loads_turned, units.loads_turned}) {
    for (const Size& size : units.matrix.software ? kSoftwareSizes : sizes_for(head, false)) {
      for (const UnitShape& shape : shapes) add(size, shape, turn, false);
    }
  }
  if (!candidates.empty()) return candidates;
  // Subgroups of few lanes, as on Intel's, have registers for few rows, and bring few keys each.
  for (const UnitShape& shape : units.matrix.shapes) {
    for (const uint32_t subgroups : {4U, 8U}) {
      const MatrixAttention sizes{shape, subgroups, 1, 16, false, !units.loads_turned};
      if (possible(sizes, head, units)) candidates.push_back(sizes);
    }
  }
  return candidates;
}

PromptAttention usual_prompt_attention(uint32_t head, uint64_t rows, const AttentionUnits& units,
                                       bool use_units) {
  if (use_units) {
    const std::vector<MatrixAttention> candidates = attention_candidates(head, units);
    // The first that fills the device without parts; where none does, parts fill it.
    for (const MatrixAttention& sizes : candidates) {
      if (rows * sizes.subgroups >= uint64_t{rows_of(sizes, units.matrix.subgroup)} * kSubgroups * 15 / 16)
        return sizes;
    }
    if (!candidates.empty()) return candidates.front();
  }
  // A lane has 64 sums for each of two pieces of a row and four rows. A software device pays by the load, and
  // has registers of any number.
  LaneAttention lanes;
  lanes.column_lanes = std::min(units.matrix.subgroup, 8U);
  if (units.matrix.software) {
    lanes.rows_each = head > 128 ? 4 : 8;
  } else {
    lanes.subgroups = std::clamp(units.matrix.max_threads / units.matrix.subgroup, 1U, 4U);
    lanes.rows_each = head > 128 ? 2 : 4;
    lanes.keys_each = 4;
  }
  return lanes;
}

LaneAttention step_attention(uint32_t head, uint32_t sharing, const AttentionUnits& units) {
  LaneAttention lanes;
  lanes.column_lanes = std::min(units.matrix.subgroup, units.matrix.software ? 8U : 16U);
  lanes.rows_each =
      std::min(divide_up(sharing, units.matrix.subgroup / lanes.column_lanes), head > 128 ? 4U : 8U);
  lanes.keys_each = std::min(kPageTokens / lanes.column_lanes, 8U);
  return lanes;
}

void Kernels::ask_units() {
  if (!uses_matrix_units() || device_.compile_only()) return;
  attention_units_.alike.clear();
  for (const UnitShape& shape : attention_units_.matrix.shapes) {
    if (sums_lie_as_left(device_, pipelines_, shape, subgroup_)) attention_units_.alike.push_back(shape);
  }
}

PromptAttention Kernels::prompt_attention(const AttentionShape& shape, uint32_t tokens) const {
  if (prompt_attention_) return *prompt_attention_;
  return usual_prompt_attention(shape.head, uint64_t{tokens} * shape.heads, attention_units_,
                                uses_matrix_units());
}

uint32_t Kernels::prompt_splits(const AttentionShape& shape, uint32_t tokens, uint32_t context) const {
  if (software_) return 1;
  // As splits_for(): the parts fill the device, but each has enough keys to be worth its merging.
  constexpr uint32_t kLeast = 512;
  const PromptAttention sizes = prompt_attention(shape, tokens);
  const uint32_t rows = tokens * (shape.heads / shape.kv_heads);
  const uint64_t subgroups = uint64_t{shape.kv_heads} * divide_up(rows, rows_of(sizes, subgroup_)) *
                             std::visit([](const auto& any) { return any.subgroups; }, sizes);
  uint32_t splits = 1;
  while (uint64_t{2} * splits * subgroups <= kSubgroups && 2 * splits * kLeast <= context &&
         2 * splits * tokens <= plan::kAttentionParts) {
    splits *= 2;
  }
  return std::min(splits, kMaxSplits);
}

void Kernels::record_parts(const Target& target, const Attention& op) {
  const AttentionShape& shape = op.shape;
  struct {
    uint64_t qkv, result, parts, batch, tables;
    uint32_t kv_heads, layer_offset, v_offset, window;
  } c{op.qkv.address, op.out.address,     op.parts.address, target.batch, op.page_tables,
      shape.kv_heads, shape.layer_offset, shape.v_offset,   shape.window};
  const uint32_t sharing = shape.heads / shape.kv_heads;
  const PromptAttention sizes = target.one_token_each ? step_attention(shape.head, sharing, attention_units_)
                                                      : prompt_attention(shape, target.columns);
  const uint32_t rows = rows_of(sizes, subgroup_);
  const uint32_t blocks = target.one_token_each ? target.columns * divide_up(sharing, rows)
                                                : divide_up(target.columns * sharing, rows);
  std::vector<uint32_t> constants{subgroup_,
                                  subgroup_,
                                  shape.head,
                                  sharing,
                                  target.splits > 1 ? 1U : 0U,
                                  op.half_out ? 1U : 0U,
                                  static_cast<uint32_t>(shape.k_format),
                                  static_cast<uint32_t>(shape.v_format),
                                  software_ ? 1U : 0U};
  const char* name = "attention";
  if (const auto* units = std::get_if<MatrixAttention>(&sizes)) {
    name = "attention_units";
    constants[0] *= units->subgroups;
    constants.insert(constants.end(),
                     {units->shape.m, units->shape.n, units->shape.k, units->subgroups, units->row_tiles,
                      units->keys, units->hold_queries ? 1U : 0U, units->turn_values ? 1U : 0U,
                      units->in_place ? 1U : 0U, units->ahead ? 1U : 0U});
  } else {
    const auto& lanes = std::get<LaneAttention>(sizes);
    constants[0] *= lanes.subgroups;
    constants.insert(constants.end(), {lanes.subgroups, lanes.column_lanes, lanes.rows_each, lanes.keys_each,
                                       target.one_token_each ? 1U : 0U});
  }
  const Range reads[] = {op.qkv, op.kv, batch_range(target.batch)};
  const Range& written = target.splits > 1 ? op.parts : op.out;
  target.recording->dispatch(pipeline(shader(name), std::move(constants)), bytes_of(c),
                             {shape.kv_heads, blocks, target.splits}, reads, {&written, 1});
}

}  // namespace caldera::kernels
