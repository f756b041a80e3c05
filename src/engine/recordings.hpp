// The command buffers of a model: recorded when first needed for a batch size, then replayed.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>

#include "kernels/kernels.hpp"
#include "model/program.hpp"
#include "vulkan/recording.hpp"

namespace caldera::engine {

class Recordings {
 public:
  Recordings(vulkan::Device& device, kernels::Kernels& kernels, const model::Program& program)
      : device_(device), kernels_(kernels), program_(program) {}

  /// Reads up to `tokens` tokens of one sequence into KV memory; attention of a single token in `splits`
  /// parts.
  const vulkan::Recording& read(uint64_t batch, uint32_t tokens, uint32_t splits);
  /// Logits of up to `outputs` outputs of what was just read; with `sample`, also draws their next tokens.
  const vulkan::Recording& outputs(uint64_t batch, uint32_t outputs, bool sample);
  /// One decode step of `sequences` sequences, attention in `splits` parts: from the tokens drawn last to the
  /// next.
  const vulkan::Recording& step(uint64_t batch, uint32_t sequences, uint32_t splits);

 private:
  enum class Kind { kRead, kOutputs, kSample, kStep };

  vulkan::Device& device_;
  kernels::Kernels& kernels_;
  const model::Program& program_;
  std::map<std::tuple<Kind, uint64_t, uint32_t, uint32_t>, vulkan::Recording> recordings_;
};

}  // namespace caldera::engine
