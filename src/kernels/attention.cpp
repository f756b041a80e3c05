// Rotation, KV memory and attention.
#include <algorithm>

#include "kernels/dispatch.hpp"
#include "kernels/kernels.hpp"
#include "kernels/shaders.hpp"

namespace caldera::kernels {

uint32_t Kernels::splits_for(uint32_t tokens, uint32_t groups) const {
  if (software_) return 1;
  // A part of fewer than 128 keys costs more in merging than it saves.
  uint32_t splits = 1;
  while (splits < kMaxSplits && splits * groups < 256 && tokens / (splits * 2) >= 128) splits *= 2;
  return splits;
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

}  // namespace caldera::kernels
