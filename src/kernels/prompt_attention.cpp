#include "kernels/prompt_attention.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <span>

#include "caldera/error.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/kernels.hpp"
#include "kernels/shaders.hpp"
#include "plan/limits.hpp"

namespace caldera::kernels {
namespace {

constexpr uint32_t kVendorNvidia = 0x10DE;
constexpr uint32_t kVendorAmd = 0x1002;
/// Registers of a lane that may hold matrices and what is on its way; the rest of 255 is for right matrices
/// and addresses. By what the compilers for Hopper and gfx1151 made of sizes that need 168 to 232: from 192
/// on they take local memory.
constexpr uint32_t kMatrixRegisters = 184;

struct Size {
  uint32_t subgroups, row_tiles, keys;
  bool hold_queries;
};

// For matrices of 16 rows. On Hopper a multiprocessor multiplies 1016 pairs a clock in what Vulkan reaches
// (471 TFLOP/s) and reads 128 bytes of shared memory. With heads of 128 a subgroup of 16 rows that meets 64
// keys multiplies for 258 clocks and reads 36 KB (keys, values, and weights there and back) in 288; with 32
// rows the sums alone take 128 registers, and the compiler puts matrices into local memory. Tiles of 64 keys
// meet half the barriers of 32 and have twice the loads under way: on an H200 690 instead of 815 us (512
// tokens after 16 384, 32 heads of 128), 59 instead of 77 (after 1 536, 32 heads of 64), where two row tiles
// take 90 and 8 subgroups 63 to 81. On gfx1151, which holds queries twice, 64 keys and heads of 128 do not
// fit into registers.
constexpr std::array kSmallHeads = {
    Size{4, 1, 64, true}, Size{4, 1, 32, true}, Size{4, 2, 32, true},  Size{8, 1, 64, true},
    Size{8, 1, 32, true}, Size{2, 1, 32, true}, Size{1, 1, 16, false},
};
constexpr std::array kMiddleHeads = {
    Size{4, 1, 64, true},  Size{4, 1, 32, true}, Size{8, 1, 32, true},
    Size{4, 1, 32, false}, Size{2, 1, 32, true}, Size{1, 1, 16, false},
};
// The sums alone take 128 registers.
constexpr std::array kLargeHeads = {Size{2, 1, 16, false}, Size{4, 1, 16, true}, Size{1, 1, 16, false}};

/// Little code: a software device compiles it for seconds, whatever its speed then.
constexpr std::array kSoftwareList = {Size{1, 1, 16, false}};
constexpr std::span<const Size> kSoftwareSizes = kSoftwareList;

std::span<const Size> sizes_for(uint32_t head) {
  if (head <= 64) return kSmallHeads;
  if (head <= 128) return kMiddleHeads;
  return kLargeHeads;
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
  const uint64_t queries = sizes.hold_queries ? 1 : rows * row;
  const uint64_t place =
      std::max(sizes.in_place ? 0 : uint64_t{sizes.row_tiles} * sizes.shape.m * (sizes.keys / 8 + 1),
               uint64_t{sizes.shape.m} * std::max(sizes.shape.n / 4 + 1, sizes.shape.k / 8 + 1));
  return kPiece * (sizes.keys * row + values + queries + sizes.subgroups * place) +
         4 * (rows + sizes.shape.n);
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
  // Sums, scores, references and weights in f32, queries in f16, and a tile of keys on its way.
  const uint32_t rows = sizes.row_tiles * sizes.shape.m;
  const uint32_t queries = sizes.hold_queries ? (units.halves_twice ? head : head / 2) : 0;
  const uint32_t numbers =
      rows * (head + sizes.keys + 2 * sizes.shape.n + queries) + sizes.keys * head / 2 / sizes.subgroups;
  return (units.matrix.software || numbers <= kMatrixRegisters * units.matrix.subgroup) &&
         shared_bytes(sizes, head, units.matrix.subgroup) <= units.matrix.max_shared_bytes;
}

std::vector<MatrixAttention> attention_candidates(uint32_t head, const AttentionUnits& units) {
  std::vector<MatrixAttention> candidates;
  for (const UnitShape& shape : units.matrix.shapes) {
    for (const bool turn : {!units.loads_turned, units.loads_turned}) {
      for (const Size& size : units.matrix.software ? kSoftwareSizes : sizes_for(head)) {
        const MatrixAttention sizes{shape,
                                    size.subgroups,
                                    size.row_tiles * (units.matrix.software ? 1 : std::max(1U, 16 / shape.m)),
                                    size.keys,
                                    size.hold_queries,
                                    turn};
        if (possible(sizes, head, units)) candidates.push_back(sizes);
      }
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

PromptAttention usual_prompt_attention(uint32_t head, const AttentionUnits& units, bool use_units) {
  if (use_units) {
    const std::vector<MatrixAttention> candidates = attention_candidates(head, units);
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

PromptAttention Kernels::prompt_attention(uint32_t head) const {
  return prompt_attention_ ? *prompt_attention_
                           : usual_prompt_attention(head, attention_units_, uses_matrix_units());
}

uint32_t Kernels::prompt_splits(const AttentionShape& shape, uint32_t tokens, uint32_t context) const {
  if (software_) return 1;
  // As splits_for(): the parts fill the device, but each has enough keys to be worth its merging.
  constexpr uint32_t kLeast = 512;
  constexpr uint32_t kWorkgroups = 528;
  const uint32_t rows = tokens * (shape.heads / shape.kv_heads);
  const uint32_t groups = shape.kv_heads * divide_up(rows, rows_of(prompt_attention(shape.head), subgroup_));
  uint32_t splits = 1;
  while (2 * splits * groups <= kWorkgroups && 2 * splits * kLeast <= context &&
         2 * splits * tokens <= kMaxSplits * plan::kMaxSequences) {
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
                                                      : prompt_attention(shape.head);
  const uint32_t rows = rows_of(sizes, subgroup_);
  const uint32_t blocks = target.one_token_each ? target.columns * divide_up(sharing, rows)
                                                : divide_up(target.columns * sharing, rows);
  std::vector<uint32_t> constants{subgroup_,
                                  subgroup_,
                                  shape.head,
                                  sharing,
                                  target.splits,
                                  op.half_out ? 1U : 0U,
                                  static_cast<uint32_t>(shape.k_format),
                                  static_cast<uint32_t>(shape.v_format),
                                  software_ ? 1U : 0U};
  const char* name = "attention";
  if (const auto* units = std::get_if<MatrixAttention>(&sizes)) {
    name = "attention_units";
    constants[0] *= units->subgroups;
    constants.insert(constants.end(), {units->shape.m, units->shape.n, units->shape.k, units->subgroups,
                                       units->row_tiles, units->keys, units->hold_queries ? 1U : 0U,
                                       units->turn_values ? 1U : 0U, units->in_place ? 1U : 0U});
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
