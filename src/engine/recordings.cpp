#include "engine/recordings.hpp"

namespace caldera::engine {
namespace {

using Target = kernels::Kernels::Target;

void add(kernels::Kernels& kernels, const std::vector<model::Operation>& operations, const Target& target) {
  for (const model::Operation& operation : operations) {
    std::visit([&](const auto& op) { kernels.record(target, op); }, operation);
  }
}

}  // namespace

const vulkan::Recording& Recordings::read(uint64_t batch, uint32_t tokens, uint32_t splits) {
  // A single token is read as decode steps read theirs.
  const bool one = tokens == 1 && program_.int8();
  const auto key = std::make_tuple(Kind::kRead, batch, tokens, one ? splits : 1U);
  if (const auto found = recordings_.find(key); found != recordings_.end()) return found->second;
  vulkan::Recording recording(device_);
  add(kernels_, one ? program_.step(1).body : program_.reading().body,
      {&recording, batch, tokens, one, one ? splits : 1});
  recording.finish();
  return recordings_.emplace(key, std::move(recording)).first->second;
}

const vulkan::Recording& Recordings::outputs(uint64_t batch, uint32_t outputs, bool sample) {
  const auto key = std::make_tuple(sample ? Kind::kSample : Kind::kOutputs, batch, outputs, 1U);
  if (const auto found = recordings_.find(key); found != recordings_.end()) return found->second;
  vulkan::Recording recording(device_);
  const Target target{&recording, batch, outputs, false, 1};
  // Those of several tokens gather the outputs that are wanted.
  add(kernels_,
      outputs <= kernels::kMaxVectorColumns ? program_.step(kernels::kMaxVectorColumns).head
                                            : program_.reading().head,
      target);
  if (sample) add(kernels_, program_.sampling(), target);
  recording.finish();
  return recordings_.emplace(key, std::move(recording)).first->second;
}

const vulkan::Recording& Recordings::step(uint64_t batch, uint32_t sequences, uint32_t splits) {
  const auto key = std::make_tuple(Kind::kStep, batch, sequences, splits);
  if (const auto found = recordings_.find(key); found != recordings_.end()) return found->second;
  vulkan::Recording recording(device_);
  const Target target{&recording, batch, sequences, true, splits};
  const model::Pass& pass = program_.step(sequences);
  add(kernels_, pass.body, target);
  add(kernels_, pass.head, target);
  add(kernels_, program_.sampling(), target);
  recording.finish();
  return recordings_.emplace(key, std::move(recording)).first->second;
}

}  // namespace caldera::engine
