// How attention of a decode step is cut up: what can be chosen, and the choice for matrix units.
#pragma once

#include <cstdint>
#include <optional>

#include "kernels/prompt_attention.hpp"

namespace caldera::kernels {

/// How DecodeAttention is cut up; see glsl/decode_attention.comp and glsl/decode_attention_units.comp.
struct DecodeAttentionSizes {
  uint32_t heads;  ///< query heads of a workgroup, which share a KV head; on matrix units at most units->n
  /// Loads of keys that a lane has under way, a power of two; on matrix units the keys of a tile.
  uint32_t keys;
  uint32_t subgroups;  ///< of a workgroup
  /// That share a key, a power of two, at least `keys`; 0: as usual. A tile of keys * subgroup / lanes keys
  /// is no more than a page. Not on matrix units.
  uint32_t lanes = 0;
  std::optional<UnitShape> units{};  ///< nothing: without matrix units
};

/// The choice for devices whose matrix units are known to be faster at it than their lanes; nothing on
/// others, and for heads that the kernel cannot take. `sharing` query heads share a KV head.
std::optional<DecodeAttentionSizes> decode_attention_on_units(uint32_t head, uint32_t sharing,
                                                              const AttentionUnits& units);
/// Bytes of shared memory that the kernel on matrix units takes.
uint64_t shared_bytes(const DecodeAttentionSizes& sizes, uint32_t head);

}  // namespace caldera::kernels
