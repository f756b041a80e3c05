// The command buffers of a model: recorded when first needed for a batch size, then replayed.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/profiler.hpp"
#include "engine/submission_pace.hpp"
#include "kernels/kernels.hpp"
#include "model/program.hpp"
#include "vulkan/recording.hpp"
#include "vulkan/stopwatch.hpp"

namespace caldera::engine {

/// A pass for a batch size.
struct BatchPass {
  enum class Kind : uint8_t {
    kRead,     ///< tokens of one sequence, into KV memory
    kOutputs,  ///< logits of outputs of what was just read
    kSample,   ///< and their next tokens
    kHidden,   ///< hidden states of the tokens just read
    kStep,     ///< a decode step, from the tokens drawn last to the next
  };
  Kind kind = Kind::kRead;
  uint64_t batch = 0;    ///< address of the BatchHead
  uint32_t columns = 1;  ///< most tokens, outputs or sequences
  uint32_t splits = 1;   ///< parts of attention
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the zero of a comparison for a pointer
  auto operator<=>(const BatchPass&) const = default;
};

class Recordings {
 public:
  Recordings(vulkan::Device& device, kernels::Kernels& kernels, const model::Program& program)
      : device_(device), kernels_(kernels), program_(program) {}

  /// A recording. One that is timed as a whole is under way once at a time.
  struct Part {
    Part(vulkan::Device& device, bool timed)
        : stopwatch(timed ? std::make_unique<vulkan::Stopwatch>(device) : nullptr),
          recording(device, nullptr, stopwatch.get()) {}
    std::unique_ptr<vulkan::Stopwatch> stopwatch;  ///< null: not timed
    vulkan::Recording recording;
    bool under_way = false;  ///< submitted, and its time not taken yet
  };

  /// How the pass's operations are cut, and what they take.
  const PassWork& work(BatchPass::Kind kind, uint32_t columns) { return pass(kind, columns).work; }
  /// Operations `run` of the pass, recorded; what is timed is not under way.
  Part& part(const BatchPass& batch, const OperationRun& run, bool timed);

  /// Drops the recordings of passes of this size: kernels were chosen anew. None of them is under way.
  void forget(BatchPass::Kind kind, uint32_t columns) {
    std::erase_if(parts_, [&](const auto& entry) {
      const BatchPass& batch = std::get<BatchPass>(entry.first);
      return batch.kind == kind && batch.columns == columns;
    });
  }

  /// Until end_profile(), profiled() is to be submitted instead of a part, and waited for before the next.
  Profiler& start_profile();
  void end_profile() { profiler_.reset(); }
  bool profiling() const { return profiler_ != nullptr; }
  /// The same with timestamps around every dispatch. While profiling.
  const vulkan::Recording& profiled(const BatchPass& batch, const OperationRun& run);

 private:
  struct Pass {
    std::vector<const model::Operation*> operations;
    PassWork work;
  };
  using Key = std::tuple<BatchPass, OperationRun, bool>;

  const Pass& pass(BatchPass::Kind kind, uint32_t columns);
  /// Whether a prompt's tokens are read as decode steps read theirs.
  bool read_as_step(const BatchPass& batch) const;
  kernels::Kernels::Target target(const BatchPass& batch) const;
  std::span<const model::Operation* const> operations(const BatchPass& batch, const OperationRun& run);

  vulkan::Device& device_;
  kernels::Kernels& kernels_;
  const model::Program& program_;
  std::map<std::pair<BatchPass::Kind, uint32_t>, Pass> passes_;
  std::map<Key, std::vector<std::unique_ptr<Part>>> parts_;
  std::unique_ptr<Profiler> profiler_;  ///< while profiling
};

}  // namespace caldera::engine
