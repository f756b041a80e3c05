// The command buffers of a model: recorded when first needed for a batch size, then replayed.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <tuple>

#include "engine/profiler.hpp"
#include "kernels/kernels.hpp"
#include "model/program.hpp"
#include "vulkan/recording.hpp"

namespace caldera::engine {

class Recordings {
 public:
  Recordings(vulkan::Device& device, kernels::Kernels& kernels, const model::Program& program)
      : device_(device), kernels_(kernels), program_(program) {}

  /// Reads up to `tokens` tokens of one sequence into KV memory; attention in `splits` parts.
  const vulkan::Recording& read(uint64_t batch, uint32_t tokens, uint32_t splits);
  /// Logits of up to `outputs` outputs of what was just read; with `sample`, also draws their next tokens.
  const vulkan::Recording& outputs(uint64_t batch, uint32_t outputs, bool sample);
  /// One decode step of `sequences` sequences, attention in `splits` parts: from the tokens drawn last to the
  /// next.
  const vulkan::Recording& step(uint64_t batch, uint32_t sequences, uint32_t splits);

  /// Until end_profile(), all that is asked for carries timestamps, and must be submitted and waited for
  /// before the next.
  Profiler& start_profile();
  void end_profile() { profiler_.reset(); }

 private:
  enum class Kind { kRead, kOutputs, kSample, kStep };
  using Key = std::tuple<Kind, uint64_t, uint32_t, uint32_t>;

  /// The recording of this key: of `parts`, for `target` (whose recording is not set yet).
  const vulkan::Recording& recorded(const Key& key, kernels::Kernels::Target target,
                                    std::initializer_list<const Profiler::Operations*> parts);

  vulkan::Device& device_;
  kernels::Kernels& kernels_;
  const model::Program& program_;
  std::map<Key, vulkan::Recording> recordings_;
  std::unique_ptr<Profiler> profiler_;  ///< while profiling
};

}  // namespace caldera::engine
