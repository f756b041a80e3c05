#include "engine/recordings.hpp"

namespace caldera::engine {

const vulkan::Recording& Recordings::recorded(const Key& key, kernels::Kernels::Target target,
                                              std::initializer_list<const Profiler::Operations*> parts) {
  auto found = recordings_.find(key);
  if (found == recordings_.end()) {
    vulkan::Recording recording(device_);
    target.recording = &recording;
    for (const Profiler::Operations* part : parts) {
      for (const model::Operation& operation : *part) {
        std::visit([&](const auto& op) { kernels_.record(target, op); }, operation);
      }
    }
    recording.finish();
    found = recordings_.emplace(key, std::move(recording)).first;
  }
  if (profiler_ == nullptr) return found->second;
  return profiler_->timed(found->second, target, parts);
}

Profiler& Recordings::start_profile() {
  profiler_ = std::make_unique<Profiler>(device_, kernels_);
  return *profiler_;
}

const vulkan::Recording& Recordings::read(uint64_t batch, uint32_t tokens, uint32_t splits) {
  // A single token is read as decode steps read theirs.
  const bool one = tokens == 1 && program_.int8();
  return recorded({Kind::kRead, batch, tokens, splits}, {nullptr, batch, tokens, one, splits},
                  {one ? &program_.step().body : &program_.reading(tokens).body});
}

const vulkan::Recording& Recordings::outputs(uint64_t batch, uint32_t outputs, bool sample) {
  static const Profiler::Operations kNone;
  return recorded({sample ? Kind::kSample : Kind::kOutputs, batch, outputs, 1},
                  {nullptr, batch, outputs, false, 1},
                  {&program_.step().head_of(outputs), sample ? &program_.sampling() : &kNone});
}

const vulkan::Recording& Recordings::step(uint64_t batch, uint32_t sequences, uint32_t splits) {
  const model::Pass& pass = program_.step();
  return recorded({Kind::kStep, batch, sequences, splits}, {nullptr, batch, sequences, true, splits},
                  {&pass.body, &pass.head_of(sequences), &program_.sampling()});
}

}  // namespace caldera::engine
