// Rotation, KV memory and attention.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "caldera/error.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/kernels.hpp"
#include "kernels/shaders.hpp"
#include "plan/limits.hpp"

namespace caldera::kernels {
namespace {

/// Dimensions of a lane's piece of a row of keys or values.
constexpr uint32_t kPiece = 8;
/// Dimensions with one scale in KV memory of q8_0 and q4_0.
constexpr uint32_t kBlock = 32;

bool in_f16(const AttentionShape& shape) {
  return shape.k_format == plan::KvFormat::kF16 && shape.v_format == plan::KvFormat::kF16;
}

/// Errors: kInternal: who loads a model says this better.
void check_formats(const AttentionShape& shape) {
  if (in_f16(shape) || shape.head % kBlock == 0) return;
  throw Error(ErrorKind::kInternal,
              fmt::format("attention heads of {} are not a multiple of {}: take KV memory in f16", shape.head,
                          kBlock));
}

/// As kernels know it: glsl/kv_rows.glsl.
uint32_t constant_of(plan::KvFormat format) {
  return static_cast<uint32_t>(format);
}
static_assert(static_cast<uint32_t>(plan::KvFormat::kF16) == 0);
static_assert(static_cast<uint32_t>(plan::KvFormat::kQ8_0) == 1);
static_assert(static_cast<uint32_t>(plan::KvFormat::kQ4_0) == 2);

struct Filling {
  uint32_t alone;       ///< tokens up to which one workgroup reads them all
  uint32_t least;       ///< tokens of a part
  uint32_t workgroups;  ///< that the device runs at once
};

uint32_t filling_splits(uint32_t tokens, uint32_t groups, const Filling& filling) {
  uint32_t splits = 1;
  if (tokens <= filling.alone) return splits;
  // 1, 2, 3, 4, 6, 8, 12, ...: few, because each is a recording of its own.
  for (const uint32_t more : {2U, 3U, 4U, 6U, 8U, 12U, 16U, 24U, 32U, 48U, kMaxSplits}) {
    if (more * groups > filling.workgroups || more * filling.least > tokens) break;
    splits = more;
  }
  return splits;
}

}  // namespace

uint32_t Kernels::splits_for(uint32_t tokens, uint32_t groups) const {
  if (software_) return 1;
  // Merging costs two microseconds, in which a workgroup reads some hundreds of keys. Once there is merging,
  // its cost hardly depends on the number of parts, so they fill the device: about four workgroups for each
  // of the multiprocessors of a large one. A part of fewer than 128 keys leaves subgroups idle. So there are
  // never more parts than a program has room for.
  return filling_splits(tokens, groups, {.alone = 512, .least = 128, .workgroups = plan::kAttentionParts});
}

uint32_t Kernels::decode_splits(const AttentionShape& shape, uint32_t tokens, uint32_t sequences) const {
  const uint32_t groups = sequences * decode_attention_groups(shape);
  if (!decode_attention_sizes(shape).units) return splits_for(tokens, groups);
  if (software_) return 1;
  // A workgroup fills the registers of a multiprocessor: more than one of them wait in turn. On an H200 8B's
  // attention after 16 384 tokens takes 25.4 microseconds in 16 parts, 29.2 in 32; after 500 8.7 in 4 parts
  // and 10.5 in one, after 200 8.0 and 7.5.
  static_assert(132 <= plan::kAttentionParts);
  return filling_splits(tokens, groups, {.alone = 256, .least = 128, .workgroups = 132});
}

DecodeAttentionSizes Kernels::decode_attention_sizes(const AttentionShape& shape) const {
  if (decode_attention_ && (decode_attention_->lanes > 0 || decode_attention_->units))
    return *decode_attention_;
  if (!decode_attention_ && uses_matrix_units()) {
    if (const auto sizes =
            decode_attention_on_units(shape.head, shape.heads / shape.kv_heads, attention_units_))
      return *sizes;
  }
  // A lane's loads are of 16 bytes in f16, and of 8 and 4 in q8_0 and q4_0: so there it takes two pieces of
  // each key, for as many bytes under way. A software device has no latency to hide.
  const bool in_blocks = !software_ && !in_f16(shape);
  const uint32_t pieces = divide_up(shape.head, kPiece);
  const uint32_t lanes = std::min(subgroup_, std::bit_ceil(in_blocks ? std::max(pieces / 2, 1U) : pieces));
  if (decode_attention_) {
    return {decode_attention_->heads, decode_attention_->keys, decode_attention_->subgroups, lanes};
  }
  const uint32_t slices = divide_up(pieces, lanes);
  const uint32_t sharing = shape.heads / shape.kv_heads;
  // The kernel is unrolled over heads and loads, and runs through most of its code once: on an H200 fetching
  // the code of four heads and eight loads takes twice as long as all the rest at a short context. So a
  // workgroup has two heads, and those that share keys run side by side and find them in the cache. A
  // software device has no latency to hide, and computes what it has loaded for as many heads as registers
  // hold.
  uint32_t most = std::max((software_ ? 8 : 2) / slices, 1U);
  uint32_t loads = std::max((software_ ? 4 : 2) / slices, 1U);
  if (in_blocks) {
    // Where many heads share keys, making numbers of the same codes again should cost more than fetching code
    // (not timed yet); on gfx1151 that takes 240 registers instead of 144, and nothing spills.
    most = sharing >= 8 ? 4 : 2;
    loads = 2;
  }
  const uint32_t heads = divide_up(sharing, divide_up(sharing, most));
  const uint32_t in_page = kPageTokens * lanes / subgroup_;  // a tile of keys does not straddle pages
  return {heads, std::min({std::bit_floor(loads), lanes, in_page}), subgroups(software_ ? 1 : 8), lanes};
}

uint32_t Kernels::decode_attention_groups(const AttentionShape& shape) const {
  return shape.kv_heads * divide_up(shape.heads / shape.kv_heads, decode_attention_sizes(shape).heads);
}

DecodeAttentionSizes Kernels::sizes_of_few_keys(const AttentionShape& shape,
                                                const DecodeAttentionSizes& usual) const {
  if (!usual.units || decode_attention_) return usual;
  // What counts is how soon queries are prepared, each head's by a subgroup. On an H200 16 heads that share
  // 64 keys take 9.2 microseconds in one workgroup and 7.1 in four.
  constexpr uint32_t kFewHeads = 4;
  const uint32_t sharing = shape.heads / shape.kv_heads;
  if (sharing <= kFewHeads) return usual;
  return decode_attention_on_units(shape.head, kFewHeads, attention_units_).value_or(usual);
}

void Kernels::record(const Target& target, const Rope& op) {
  check_formats(op.shape);
  struct {
    uint64_t qkv, table, query_norm, key_norm, batch, tables;
    uint32_t heads, kv_heads, rotated, layer_offset, v_offset;
    float epsilon, query_scale;
  } c{op.qkv.address,    op.table,       op.query_norm,     op.key_norm, target.batch,
      op.page_tables,    op.shape.heads, op.shape.kv_heads, op.rotated,  op.shape.layer_offset,
      op.shape.v_offset, op.epsilon,     op.query_scale};
  const auto& pipe =
      pipeline(shader("rope"), {subgroup_, op.shape.head, op.neox ? 1U : 0U, op.query_norm != 0 ? 1U : 0U,
                                constant_of(op.shape.k_format), constant_of(op.shape.v_format)});
  const Range reads[] = {op.qkv, batch_range(target.batch)};
  const Range writes[] = {op.qkv, op.kv};
  target.recording->dispatch(pipe, bytes_of(c), {op.shape.heads + 2 * op.shape.kv_heads, target.columns, 1},
                             reads, writes);
}

void Kernels::record(const Target& target, const Attention& op) {
  check_formats(op.shape);
  record_parts(target, op);
  merge_parts(target, op);
}

void Kernels::merge_parts(const Target& target, const Attention& op) {
  if (target.splits == 1) return;
  struct {
    uint64_t parts, result, batch;
    uint32_t heads, splits;
  } merge{op.parts.address, op.out.address, target.batch, op.shape.heads, target.splits};
  const auto& merge_pipe =
      pipeline(shader("attention_merge"), {subgroup_, op.shape.head, op.half_out ? 1U : 0U});
  const Range merge_reads[] = {op.parts, batch_range(target.batch)};
  target.recording->dispatch(merge_pipe, bytes_of(merge), {op.shape.heads, target.columns, 1}, merge_reads,
                             {&op.out, 1});
}

void Kernels::record(const Target& target, const DecodeAttention& op) {
  const AttentionShape& shape = op.rope.shape;
  const Range& out = op.attention.out;
  check_formats(shape);
  if (shape.head % kPiece != 0 || (op.out_int8.bytes > 0 && shape.head % 32 != 0)) {
    throw Error(ErrorKind::kInternal,
                fmt::format("attention heads of {} are not a multiple of {}: take Rope and Attention, or f32",
                            shape.head, shape.head % kPiece != 0 ? kPiece : 32));
  }
  const Range& parts = op.attention.parts;
  struct {
    uint64_t qkv, table, query_norm, key_norm, batch, tables, result, result_int8, part_sums, part_weights,
        counters;
    uint32_t kv_heads, rotated, layer_offset, v_offset, window;
    float epsilon, query_scale;
  } c{};
  c.qkv = op.rope.qkv.address;
  c.table = op.rope.table;
  c.query_norm = op.rope.query_norm;
  c.key_norm = op.rope.key_norm;
  c.batch = target.batch;
  c.tables = op.rope.page_tables;
  c.result = out.bytes > 0 ? out.address : 0;
  c.result_int8 = op.out_int8.bytes > 0 ? op.out_int8.address : 0;
  c.part_sums = parts.address;
  c.part_weights = parts.address + uint64_t{target.columns} * shape.heads * target.splits * shape.head * 4;
  c.counters = op.counters.address;
  c.kv_heads = shape.kv_heads;
  c.rotated = op.rope.rotated;
  c.layer_offset = shape.layer_offset;
  c.v_offset = shape.v_offset;
  c.window = shape.window;
  c.epsilon = op.rope.epsilon;
  c.query_scale = op.rope.query_scale;

  const auto kernel = [&](const DecodeAttentionSizes& sizes, bool split) -> decltype(auto) {
    std::vector<uint32_t> constants{subgroup_ * sizes.subgroups,
                                    subgroup_,
                                    sizes.subgroups,
                                    shape.head,
                                    op.rope.neox ? 1U : 0U,
                                    op.rope.query_norm != 0 ? 1U : 0U,
                                    sizes.heads,
                                    split ? 1U : 0U,
                                    shape.heads / shape.kv_heads,
                                    constant_of(shape.k_format),
                                    constant_of(shape.v_format),
                                    software_ ? 1U : 0U};
    if (!sizes.units) {
      constants.insert(constants.end(), {sizes.lanes, sizes.keys});
      return pipeline(shader("decode_attention"), std::move(constants));
    }
    constants.insert(constants.end(), {sizes.units->m, sizes.units->n, sizes.units->k, sizes.keys});
    return pipeline(shader("decode_attention_units"), std::move(constants));
  };
  DecodeAttentionSizes sizes = decode_attention_sizes(shape);
  if (target.splits == 1 && !software_ && !device_.compile_only()) {
    // A sequence that grows needs the kernel of several parts too: it is compiled before the answer begins.
    kernel(sizes, true);
  }
  if (target.splits == 1 && target.columns == 1) sizes = sizes_of_few_keys(shape, sizes);
  const auto& pipe = kernel(sizes, target.splits > 1);
  const uint32_t groups = shape.kv_heads * divide_up(shape.heads / shape.kv_heads, sizes.heads);
  const Range reads[] = {op.rope.qkv, op.rope.kv, batch_range(target.batch)};
  std::vector<Range> writes{op.rope.kv};
  for (const Range& range : {out, op.out_int8}) {
    if (range.bytes > 0) writes.push_back(range);
  }
  if (target.splits > 1) writes.insert(writes.end(), {parts, op.counters});
  target.recording->dispatch(pipe, bytes_of(c), {groups, target.columns, target.splits}, reads, writes);
}

}  // namespace caldera::kernels
