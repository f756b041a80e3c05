// How attention as an operation of its own is cut up: what can be chosen, and the usual choice.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "kernels/matrix_tiles.hpp"
#include "vulkan/instance.hpp"

namespace caldera::kernels {

/// The constants of glsl/attention_units.comp, which runs on matrix units.
struct MatrixAttention {
  UnitShape shape{16, 16, 16};
  uint32_t subgroups = 4;
  uint32_t row_tiles = 1;  ///< of shape.m rows, for each subgroup
  uint32_t keys = 32;  ///< that shared memory holds: a multiple of shape.n and shape.k that divides a page
  bool hold_queries = true;  ///< in registers; else in shared memory
  bool turn_values = false;  ///< so that neighbouring keys lie together
  bool in_place = false;     ///< weights stay where they are: `shape` is one of AttentionUnits::alike
  bool ahead = false;        ///< the next tile's scores are made while values are summed
};

/// The constants of glsl/attention.comp, which needs no matrix units.
struct LaneAttention {
  uint32_t subgroups = 1;
  uint32_t column_lanes = 8;  ///< a power of two that divides the subgroup
  uint32_t rows_each = 8;
  uint32_t keys_each = 8;  ///< even; column_lanes times as many divide a page
};

using PromptAttention = std::variant<MatrixAttention, LaneAttention>;

/// What a device has for attention.
struct AttentionUnits {
  MatrixUnits matrix;              ///< `shapes`: those whose sums can become f16
  bool loads_turned = false;       ///< matrices whose rows lie the other way load as fast
  bool halves_twice = false;       ///< two lanes hold each element of a left matrix
  std::vector<UnitShape> alike{};  ///< whose sums lanes hold as they hold left matrices: what was asked
};
AttentionUnits attention_units(const vulkan::PhysicalDevice& device, uint32_t subgroup, uint32_t max_threads);

/// Rows that a workgroup serves: queries of one KV head.
uint32_t rows_of(const PromptAttention& sizes, uint32_t subgroup);
/// Bytes of shared memory that the kernel takes.
uint64_t shared_bytes(const MatrixAttention& sizes, uint32_t head, uint32_t subgroup);
/// Whether the kernel can be made: of a shape that the device has, in workgroups that it has, with numbers
/// that stay in registers.
bool possible(const MatrixAttention& sizes, uint32_t head, const AttentionUnits& units);

/// What is worth trying on matrix units, the usual choice first; empty where they cannot serve such heads.
std::vector<MatrixAttention> attention_candidates(uint32_t head, const AttentionUnits& units);
/// What to take for `rows` queries of all heads, where nothing better is known; on matrix units only with
/// `use_units`.
PromptAttention usual_prompt_attention(uint32_t head, uint64_t rows, const AttentionUnits& units,
                                       bool use_units);
/// The same of one token of each sequence; `sharing` query heads share a KV head.
LaneAttention step_attention(uint32_t head, uint32_t sharing, const AttentionUnits& units);

}  // namespace caldera::kernels
