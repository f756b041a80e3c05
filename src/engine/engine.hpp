// A loaded model and the sequences it computes: reading prompts, decode steps, logits.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "caldera/model.hpp"
#include "caldera/session.hpp"
#include "engine/kv_pages.hpp"
#include "engine/recordings.hpp"
#include "engine/slot.hpp"
#include "gguf/file.hpp"
#include "kernels/kernels.hpp"
#include "kernels/tuner.hpp"
#include "model/placer.hpp"
#include "model/program.hpp"
#include "model/spec.hpp"
#include "model/weights.hpp"
#include "vulkan/device.hpp"
#include "vulkan/instance.hpp"
#include "vulkan/pipeline_store.hpp"

namespace caldera::engine {

/// Sessions that may be alive at once: one read of the weights serves them all.
inline constexpr uint32_t kMaxSequences = kernels::kMaxVectorColumns;

/// What memory weights are to leave to a context as asked for.
model::ContextRoom context_room(const model::ModelSpec& spec, const LoadOptions& options,
                                const vulkan::PhysicalDevice& device);

/// Not safe for use by several threads at once; callers hold mutex().
class Engine {
 public:
  /// Errors: as Model::load.
  Engine(const gguf::File& file, model::ModelSpec spec, const LoadOptions& options);
  /// Places a model's weights on the device it is given.
  using MakeWeights = std::function<model::Weights(vulkan::Device& device)>;
  /// Weights that come from elsewhere than a file. Errors: as above, and what `make_weights` throws.
  Engine(model::ModelSpec spec, const LoadOptions& options, const MakeWeights& make_weights);
  ~Engine();

  std::mutex& mutex() { return mutex_; }
  const model::ModelSpec& spec() const { return spec_; }
  const DeviceInfo& device_info() const { return device_.physical().info; }
  const model::Weights& weights() const { return weights_; }
  uint64_t parameters() const { return weights_.parameters; }
  uint32_t context() const { return context_; }
  const LoadReport& load_report() const { return report_; }
  MemoryUse memory();
  StepShape decode_shape();
  Recordings& recordings() { return *recordings_; }  ///< for profiling
  /// Whether decode steps have products to tune on this device.
  bool tunable() const { return program_->int8() && kernels_.prefers_int8(); }
  /// Tunes the products of steps of `sequences` sequences; see kernels::tune(). The device must be idle.
  std::vector<kernels::TunedProduct> tune(uint32_t sequences, const kernels::TuneOptions& options);
  /// Where what tuning finds is remembered; empty: nowhere.
  std::filesystem::path tuning_file() const;
  /// What the validation layer had to say; empty without validation.
  const std::vector<std::string>& validation_messages() const { return instance_.validation_log().messages; }

  /// A free slot. Errors: kUsage when all are taken.
  uint32_t open_slot();
  void close_slot(uint32_t slot);
  Slot& slot(uint32_t index) { return *slots_[index]; }

  /// Called with tokens read and to read; returning false cancels.
  using ReadCallback = std::function<bool(uint32_t done, uint32_t total)>;

  /// Reads what is pending in the slot, the last token always; afterwards the logits of the last token are in
  /// logits row 0. With `sample`, its next token is drawn too. False when cancelled.
  bool read(uint32_t slot, bool sample, const ReadCallback& progress);
  /// Logits of tokens [first, tokens.size()) of the slot, (tokens, vocabulary), reading what is pending.
  std::vector<float> logits_from(uint32_t slot, uint32_t first);

  /// Makes `slots` (none empty) the decode batch; entry i is slots[i]. Call before the read() that draws
  /// their first tokens.
  void begin_decode(std::span<const uint32_t> slots);
  /// Takes one of them out.
  void leave_decode(uint32_t slot);
  /// Submits a step of the decode batch; `longest`: tokens of its longest sequence with this step.
  uint64_t submit_step(uint32_t longest);
  void wait(uint64_t step) { device_.wait(step); }
  void wait_all() { device_.wait_all(); }

  /// Steps worth submitting ahead of the host.
  uint32_t steps_ahead() const;

 private:
  kernels::BatchHead& decode_head() { return *reinterpret_cast<kernels::BatchHead*>(decode_batch_.host()); }
  kernels::BatchHead& read_head() { return *reinterpret_cast<kernels::BatchHead*>(read_batch_.host()); }
  /// Reads tokens [slot.computed, end) as one batch, and leaves it in the read batch. Does not wait.
  void submit_read(Slot& slot, uint32_t index, uint32_t end);
  std::vector<float> download_logits(uint32_t rows);
  /// Tunes before the first step of so many sequences, unless the options say not to.
  void tune_once(uint32_t sequences);
  /// Parts for the attention of a token of each of `sequences`, the longest of which has so many.
  uint32_t splits_for(uint32_t longest, uint32_t sequences) const;

  std::mutex mutex_;
  model::ModelSpec spec_;
  vulkan::Instance instance_;
  vulkan::Device device_;
  vulkan::PipelineStore pipelines_;
  kernels::Kernels kernels_;
  model::Weights weights_;
  KvPages pages_;
  LoadReport report_;
  std::optional<double> far_read_;  ///< GB/s at which weights across the bus are read, where there are any
  Tuning tuning_ = Tuning::kAuto;
  std::set<uint32_t> tuned_;  ///< numbers of vectors
  uint32_t context_ = 0;
  uint32_t attention_groups_ =
      0;                      ///< workgroups of a step's attention, for a sequence and a part of its keys
  uint32_t read_tokens_ = 0;  ///< most tokens of a read batch
  vulkan::Allocation read_batch_;
  vulkan::Allocation decode_batch_;
  vulkan::Allocation page_tables_;
  vulkan::Allocation slot_addresses_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::unique_ptr<model::Program> program_;
  std::unique_ptr<Recordings> recordings_;
};

}  // namespace caldera::engine
