// Drawing tokens.
#include <algorithm>

#include "kernels/dispatch.hpp"
#include "kernels/kernels.hpp"
#include "kernels/shaders.hpp"

namespace caldera::kernels {

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
