// Drawing tokens.
#include <algorithm>
#include <bit>

#include "kernels/dispatch.hpp"
#include "kernels/kernels.hpp"
#include "kernels/shaders.hpp"
#include "plan/working_memory.hpp"

namespace caldera::kernels {

void Kernels::record(const Target& target, const Sample& op) {
  static_assert(plan::kSamplerCounterBytes >= kMaxOutputs * sizeof(uint32_t));
  struct {
    uint64_t logits, batch, decode_batch, slots, counters, slices;
    uint32_t vocabulary;
  } c{op.logits.address, target.batch,       op.decode_batch,
      op.slots,          op.scratch.address, op.scratch.address + plan::kSamplerCounterBytes,
      op.vocabulary};
  const uint32_t usual = software_ ? 32U : std::min(512U, std::bit_floor(subgroup_ * subgroups(16)));
  const auto& pipe = pipeline(shader("sample"), {op.threads > 0 ? op.threads : usual});
  const Range reads[] = {op.logits, batch_range(target.batch)};
  const Range writes[] = {op.logits, op.scratch, batch_range(op.decode_batch)};
  const uint32_t slices = divide_up(op.vocabulary, plan::kSamplerSliceTokens);
  target.recording->dispatch(pipe, bytes_of(c), {slices, target.columns, 1}, reads, writes);
}

}  // namespace caldera::kernels
