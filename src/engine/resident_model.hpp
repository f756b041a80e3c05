// A model on a device: all that is lost with the device.
#pragma once

#include <bit>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "caldera/model.hpp"
#include "engine/kept_kv.hpp"
#include "engine/kv_pages.hpp"
#include "engine/page_copier.hpp"
#include "engine/recordings.hpp"
#include "engine/slot_memory.hpp"
#include "engine/submitter.hpp"
#include "engine/weight_source.hpp"
#include "kernels/kernels.hpp"
#include "kernels/matrix_tuner.hpp"
#include "kernels/tuner.hpp"
#include "model/placer.hpp"
#include "model/program.hpp"
#include "model/spec.hpp"
#include "model/weights.hpp"
#include "vulkan/device.hpp"
#include "vulkan/device_lost.hpp"
#include "vulkan/instance.hpp"
#include "vulkan/pipeline_store.hpp"

namespace caldera::engine {

/// Sequences that a step is recorded for which has so many: a recording serves any number up to its own.
constexpr uint32_t step_columns(uint32_t sequences) {
  constexpr uint32_t kTile = kernels::kMaxVectorColumns;
  return sequences <= kTile ? sequences : (sequences + kTile - 1) / kTile * kTile;
}

/// What memory weights are to leave to a context as asked for.
model::ContextRoom context_room(const model::ModelSpec& spec, const LoadOptions& options,
                                const vulkan::PhysicalDevice& device);

/// The device was lost while products were tuned, which may have been why.
class LostWhileTuning : public vulkan::DeviceLost {
 public:
  using DeviceLost::DeviceLost;
};

/// A device with a model's weights, the memory of sequences, and the work recorded for them. It knows nothing
/// that Engine could not tell another one: made as a whole, and thrown away as a whole. `slot` is an index of
/// LoadOptions::sequences everywhere.
class ResidentModel {
 public:
  /// `spec` must stay. With `same_as` not empty, the device must have that name: another one than was lost is
  /// no use. Errors: as Model::load, and what `make_weights` throws.
  ResidentModel(const model::ModelSpec& spec, const LoadOptions& options, const std::string& same_as,
                const MakeWeights& make_weights, const model::LoadCallback& progress);
  ~ResidentModel();
  ResidentModel(const ResidentModel&) = delete;
  ResidentModel& operator=(const ResidentModel&) = delete;

  const vulkan::PhysicalDevice& physical() const { return device_.physical(); }
  const model::Weights& weights() const { return weights_; }
  uint32_t context() const { return context_; }
  /// How many of `left` tokens after `position` are read next: their submissions are to take no longer than
  /// the target.
  uint32_t next_read(uint32_t position, uint32_t left);
  /// Predicted device time of reading so many tokens; 0 before any were read.
  double seconds_to_read(uint32_t position, uint32_t tokens);
  SlotMemory& slot(uint32_t index) { return *slots_[index]; }
  /// An entry of the decode batch that no step reads: of sequences whose first token is drawn beside steps.
  uint32_t parked_entry() const { return static_cast<uint32_t>(slots_.size()); }
  Recordings& recordings() { return *recordings_; }
  MemoryUse memory();
  StepShape decode_shape();
  /// Outlives this.
  std::shared_ptr<const vulkan::ValidationLog> validation_log() const {
    return instance_.shared_validation_log();
  }

  /// Whether decode steps have products to tune on this device.
  bool tunable() const { return program_->int8() && kernels_.prefers_int8(); }
  /// Whether the products of steps of so many are those of prompts, for which tune_batch() is.
  bool steps_as_prompts(uint32_t sequences) const {
    return program_->steps_in_half(std::bit_ceil(sequences));
  }
  /// Tunes the products of steps of `sequences` sequences; see kernels::tune(). The device must be idle.
  std::vector<kernels::TunedProduct> tune(uint32_t sequences, const kernels::TuneOptions& options);
  /// Whether prompts have products to tune on this device.
  /// Times that something was tuned, or would have been if it had not been remembered.
  size_t tunings() const { return tuned_.size() + tuned_prompts_.size(); }
  bool prompts_tunable() const { return kernels_.uses_matrix_units() && !kernels_.matrix_units().software; }
  /// Tunes the products of a batch of so many tokens of a prompt, a power of two; see
  /// kernels::tune_matrices(). The device must be idle.
  std::vector<kernels::TunedTiles> tune_batch(uint32_t tokens, const kernels::TuneOptions& options);
  uint32_t most_read() const { return read_tokens_; }  ///< most tokens of a batch of a prompt
  /// Tunes before the first step of so many sequences, unless the options say not to. The device must be
  /// idle.
  void tune_once(uint32_t sequences);
  /// Where what tuning finds is remembered; empty: nowhere.
  std::filesystem::path tuning_file() const;

  /// Reads `tokens`, as many as next_read() says, which begin at `position` of the slot and have room there,
  /// as one batch. Waits only where `progress`, called between submissions, can end it; then it is false.
  bool submit_read(uint32_t slot, std::span<const Token> tokens, uint32_t position,
                   const Submitter::Progress& progress = {});
  /// Computes the logits of `rows` of the tokens read last, the first of which is `first`; with `sample`,
  /// draws the next token of the last too. Waits for the read, not for this.
  uint64_t submit_outputs(uint32_t first, uint32_t rows, bool sample);
  /// Computes the hidden states of all tokens read last. Waits for the read, not for this.
  uint64_t submit_hidden();
  /// Those of tokens [first, first + rows) of them, (rows, width). Waits.
  std::vector<float> download_hidden(uint32_t first, uint32_t rows);
  /// Logits as computed last, (rows, vocabulary). Waits.
  std::vector<float> download_logits(uint32_t rows) { return download_logits(0, rows); }
  std::vector<float> download_logits(uint32_t first, uint32_t rows);

  /// Drops tokens [first, first + count) of the slot, whole pages, out of the first `length` that are
  /// computed; those behind move up to earlier positions. The decode batch stays as it is. Waits. Errors:
  /// kMemory; then nothing has changed.
  void drop(uint32_t slot, uint32_t first, uint32_t count, uint32_t length);

  /// Whether single tokens are computed in other ways than those of prompts.
  bool steps_apart() const { return program_->int8(); }
  /// Copies pages to the host; null where they are not to be kept there.
  PageCopier* copier() { return copier_.get(); }
  /// Writes what was kept into the first pages of the slot; the first `there` have it already. Waits. Errors:
  /// kMemory.
  void restore(uint32_t slot, uint32_t there, std::span<const KeptKv::Page> kept);

  /// Makes `entries` the decode batch.
  void begin_decode(std::span<const kernels::Entry> entries);
  /// Moves a sequence in it to another position. The device must be idle.
  void place_in_decode(uint32_t slot, uint32_t position);
  /// Takes a sequence out of it.
  void leave_decode(uint32_t slot);
  /// Submits a step of the decode batch; `longest`: tokens of its longest sequence with this step.
  uint64_t submit_step(uint32_t longest);
  /// Steps worth submitting ahead of the host.
  uint32_t steps_ahead();

  void wait(uint64_t step) { submitter_->wait(step); }
  void wait_all() { submitter_->wait_all(); }
  /// See Submitter.
  double longest_submission() const { return submitter_->longest(); }
  void forget_longest_submission() { submitter_->forget_longest(); }

 private:
  kernels::BatchHead& decode_head() { return *reinterpret_cast<kernels::BatchHead*>(decode_batch_.host()); }
  kernels::BatchHead& read_head() { return *reinterpret_cast<kernels::BatchHead*>(read_batch_.host()); }
  /// Tunes before the first prompt of so many tokens, a power of two, unless the options say not to.
  void tune_prompts(uint32_t tokens);
  /// Parts for the attention of a token of each of `sequences`, the longest of which has so many.
  uint32_t splits_for(uint32_t longest, uint32_t sequences) const;

  const model::ModelSpec& spec_;
  vulkan::Instance instance_;
  vulkan::Device device_;
  vulkan::PipelineStore pipelines_;
  kernels::Kernels kernels_;
  model::Weights weights_;
  KvPages pages_;
  std::optional<double> far_read_;  ///< GB/s at which weights across the bus are read, where there are any
  KvFormats kv_;
  Tuning tuning_ = Tuning::kAuto;
  std::set<uint32_t> tuned_;          ///< numbers of vectors
  std::set<uint32_t> tuned_prompts_;  ///< numbers of tokens
  std::chrono::duration<double> prompt_tuning_{
      2};  ///< that prompts may still be tuned for, of all sizes together
  uint32_t context_ = 0;
  kernels::AttentionShape attention_{};  ///< of the first layer
  uint32_t read_tokens_ = 0;             ///< most tokens of a batch
  bool held_back_ = false;               ///< the batch that is read next could be larger
  uint32_t decoding_ = 0;                ///< sequences of the decode batch: device memory is slow to read
  uint32_t longest_ = 1;                 ///< tokens of the longest sequence, of the last step
  vulkan::Allocation read_batch_;
  vulkan::Allocation decode_batch_;
  vulkan::Allocation page_tables_;
  vulkan::Allocation slot_addresses_;
  std::vector<std::unique_ptr<SlotMemory>> slots_;
  std::unique_ptr<model::Program> program_;
  std::unique_ptr<Recordings> recordings_;
  std::unique_ptr<Submitter> submitter_;
  std::unique_ptr<PageCopier> copier_;
};

}  // namespace caldera::engine
