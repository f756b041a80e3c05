// Moving keys to earlier positions.
#include "kernels/dispatch.hpp"
#include "kernels/kernels.hpp"
#include "kernels/shaders.hpp"
#include "plan/working_memory.hpp"

namespace caldera::kernels {

void Kernels::record(const Target& target, const RopeShift& op) {
  const AttentionShape& shape = op.shape;
  struct {
    uint64_t moves, turn;
    uint32_t kv_heads, rotated, layer_offset, layer_bytes, v_offset, v_bytes;
  } c{op.moves,
      op.turn,
      shape.kv_heads,
      op.rotated,
      shape.layer_offset,
      op.layer_bytes,
      shape.v_offset,
      static_cast<uint32_t>(plan::half_layer_bytes(shape.kv_heads, shape.head, shape.v_format))};
  const uint32_t rows = subgroups(software_ ? 1 : 8);  // a power of two
  const auto& pipe = pipeline(shader("rope_shift"), {subgroup_ * rows, rows, shape.head, op.neox ? 1U : 0U,
                                                     static_cast<uint32_t>(shape.k_format)});
  target.recording->dispatch(pipe, bytes_of(c), {shape.kv_heads * kPageTokens / rows, op.pages, op.layers},
                             {&op.kv, 1}, {&op.kv, 1});
}

}  // namespace caldera::kernels
