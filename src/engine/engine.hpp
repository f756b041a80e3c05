// A loaded model and the sequences it computes: what the host knows of them, and the device that computes
// them.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "caldera/model.hpp"
#include "caldera/session.hpp"
#include "engine/fair_mutex.hpp"
#include "engine/prefix_cache.hpp"
#include "engine/resident_model.hpp"
#include "engine/slot.hpp"
#include "gguf/file.hpp"
#include "kernels/tuner.hpp"
#include "model/spec.hpp"
#include "vulkan/device_lost.hpp"

namespace caldera::engine {

/// Not safe for use by several threads at once; callers hold mutex().
class Engine {
 public:
  /// Errors: as Model::load.
  Engine(const gguf::File& file, const model::ModelSpec& spec, const LoadOptions& options);
  /// Weights that come from elsewhere than a file. Errors: as above, and what `make_weights` throws.
  Engine(model::ModelSpec spec, const LoadOptions& options, MakeWeights make_weights);

  FairMutex& mutex() { return mutex_; }
  const model::ModelSpec& spec() const { return spec_; }
  const DeviceInfo& device_info() const { return device_info_; }
  const model::Weights& weights() const { return resident().weights(); }
  uint64_t parameters() const { return parameters_; }
  uint32_t context() const { return context_; }
  const LoadReport& load_report() const { return report_; }
  /// Nothing between a loss that could not be mended and the next call that tries.
  MemoryUse memory() {
    MemoryUse use = resident_ != nullptr ? resident_->memory() : MemoryUse{};
    use.kept_kv = kept_bytes();
    return use;
  }
  StepShape decode_shape() { return resident().decode_shape(); }
  Recordings& recordings() { return resident().recordings(); }  ///< for profiling
  /// See ResidentModel.
  bool tunable() const { return resident().tunable(); }
  std::vector<kernels::TunedProduct> tune(uint32_t sequences, const kernels::TuneOptions& options) {
    return resident().tune(sequences, options);
  }
  bool prompts_tunable() const { return resident().prompts_tunable(); }
  bool steps_as_prompts(uint32_t sequences) const { return resident().steps_as_prompts(sequences); }
  size_t tunings() const { return resident().tunings(); }
  std::vector<kernels::TunedTiles> tune_batch(uint32_t tokens, const kernels::TuneOptions& options) {
    return resident().tune_batch(tokens, options);
  }
  uint32_t most_read() const { return resident().most_read(); }
  std::filesystem::path tuning_file() const { return resident().tuning_file(); }
  /// What the validation layer had to say, of lost devices too; empty without validation.
  std::vector<std::string> validation_messages() const;

  /// A free slot. Errors: kUsage when all are taken.
  uint32_t open_slot();
  void close_slot(uint32_t slot);
  /// Forgets the slot's tokens from `length` on.
  void truncate_slot(uint32_t slot, uint32_t length);
  Slot& slot(uint32_t index) { return slots_[index]; }

  /// Seconds that reading tokens [first, first + tokens) of a sequence is predicted to take; 0 before any
  /// were read. Attention at their depth counts.
  double seconds_to_read(uint32_t first, uint32_t tokens) {
    return resident_ ? resident_->seconds_to_read(first, tokens) : 0;
  }

  /// Before a slot that is not empty is read: what another slot's sequence, which begins with the same
  /// tokens, has computed of them is not computed again.
  void adopt_prefix(uint32_t slot);

  // Sequences that come and go while others decode, see batching.cpp and service_scheduler.cpp.

  uint32_t sequences() const { return static_cast<uint32_t>(slots_.size()); }  ///< slots
  /// Finds out how steps of any number run fastest, unless the options say not to or it is remembered: before
  /// anyone waits. The device must be idle.
  void tune_steps();
  /// Pages of KV memory that the slots may hold together.
  uint64_t planned_pages() const;
  /// Pages that may be kept for sequences to come, beyond those in use; absent: as many as are planned for
  /// and not in use.
  void keep_prefixes(std::optional<uint64_t> pages);
  const PrefixCache& prefixes() const { return prefixes_; }
  /// Before a slot is read: what is kept of the beginning of its tokens is not computed again. Tokens.
  uint32_t adopt_kept_prefix(uint32_t slot);
  /// Keeps the full pages of what is computed in the slot.
  void keep_prefix(uint32_t slot);
  /// Forgets all of a slot that no step works on any more; the pages that are kept stay.
  void release_slot(uint32_t slot);
  /// Makes room for the first `count` tokens. Pages that are kept give way. Errors: kMemory.
  void reserve(uint32_t slot, uint32_t count);
  /// Reads up to `most` tokens of what is pending in the slot, the last token always, as one batch. Does not
  /// wait for it. Returns how many; 0 when `go_on`, asked between submissions, was false. Errors: kMemory.
  uint32_t read_some(uint32_t slot, uint32_t most, const std::function<bool()>& go_on);
  /// Prepares drawing beside the decode batch, see SlotMemory::begin(): the first token of a slot.
  void begin_parked(uint32_t slot, const SamplingOptions& sampling, uint64_t seed);
  /// Draws the next token of a slot all of whose tokens are read, `read` of them by the last call of
  /// read_some(); their logits are in row 0 then. Waits.
  void draw_after(uint32_t slot, uint32_t read);
  /// Hidden states behind the output norm of tokens [first, first + rows) of those that the last call of
  /// read_some() read, (rows, width). Waits.
  std::vector<float> hidden_of_read(uint32_t first, uint32_t rows);
  /// Makes `slots`, whose first tokens are drawn, the decode batch: entry i and row i of the logits are
  /// slots[i]. How they draw goes on as it was, up to `end_tokens`. Waits for all.
  void set_decode(std::span<const uint32_t> slots, std::span<const std::vector<Token>* const> end_tokens);
  /// Logits of the last step or draw, (vocabulary). Waits.
  std::vector<float> logits_row(uint32_t row) { return resident().download_logits(row, 1); }
  /// Most tokens worth reading after `first` others in one batch that takes no longer than `seconds`.
  uint32_t tokens_within(double seconds, uint32_t first, uint32_t left);

  /// Called with tokens read and to read, between submissions; returning false cancels.
  using ReadCallback = std::function<bool(uint32_t done, uint32_t total)>;

  /// Reads what is pending in the slot, the last token always; afterwards the logits of the last token are in
  /// logits row 0. With `sample`, its next token is drawn too. False when cancelled.
  bool read(uint32_t slot, bool sample, const ReadCallback& progress);
  /// Logits of tokens [first, tokens.size()) of the slot, (tokens, vocabulary), reading what is pending. A
  /// lost device is made good.
  std::vector<float> logits_from(uint32_t slot, uint32_t first);

  /// Drops tokens of the slot, of which those behind move up with their keys and values, as far as these are
  /// computed. A sequence in the decode batch goes on behind its last token. Errors: kMemory; then nothing
  /// has changed.
  void drop(uint32_t slot, const ContextShift& shift);

  /// Makes `slots` (none empty) the decode batch; entry i is slots[i]. Call before the read() that draws
  /// their first tokens.
  void begin_decode(std::span<const uint32_t> slots);
  /// Takes one of them out.
  void leave_decode(uint32_t slot) { resident().leave_decode(slot); }
  /// See ResidentModel.
  uint64_t submit_step(uint32_t longest) {
    const uint64_t step = resident().submit_step(longest);
    keep_pages();
    return step;
  }
  uint32_t steps_ahead() { return resident().steps_ahead(); }
  double longest_submission() const { return resident_ ? resident_->longest_submission() : 0; }
  void forget_longest_submission() {
    if (resident_) resident_->forget_longest_submission();
  }
  void wait(uint64_t step) { resident().wait(step); }
  /// Also for what is copied to the host.
  void wait_all();

  // A lost device. Whatever needs one throws vulkan::DeviceLost when it is lost, now or since some earlier
  // call; who can go on from the tokens alone then calls recover() and begins again.

  /// Begins a call: losses before it are not counted with those in it.
  void begin_call() {
    losses_ = 0;
    lost_since_.reset();
  }
  /// Throws the device away with all that lies on it, and loads the model again. False when the callback ends
  /// it. Errors: kDevice when the device was lost too often in a row; as Model::load.
  bool recover(const vulkan::DeviceLost& loss);
  /// Something was accomplished: a token drawn, a call finished.
  void accomplished();

 private:
  /// Errors: DeviceLost when there is none.
  ResidentModel& resident() const;
  /// Loads the model for the first time.
  void load();
  /// Loads the model, on the device that was lost if there was one.
  void make_resident(const model::LoadCallback& progress);
  void drop_resident(const vulkan::DeviceLost& loss);
  // Keys and values on the host, with LoadOptions::keep_kv; see keeping.cpp.

  /// Errors: kMemory.
  void demand_room_to_keep() const;
  /// Begins to copy the pages that are full, or will be when all that is submitted is done.
  void keep_pages();
  /// Begins to copy the last page too, which is not full: when a prompt is read, because what is drawn after
  /// it is computed in other ways; when tokens are dropped, because what is left cannot be computed again.
  void keep_tail(uint32_t slot);
  /// False where the host has no memory for it.
  bool keep_page(Slot& slot, const KvPages::Page& page, uint32_t tokens);
  /// Gives a slot of a new device what was kept of it.
  void restore_kept(uint32_t slot);
  /// Pages of which a slot before it has the same copies are shared on the new device too; how many.
  uint32_t share_kept(uint32_t slot);
  uint64_t kept_bytes() const;

  /// Drops kept pages beyond those that may be kept.
  void trim_prefixes();

  /// Waits for all; a device that turns out to be lost is dropped.
  void settle();
  bool tell(DeviceLoss::Stage stage, const LoadProgress& progress = {});
  std::vector<float> try_logits_from(uint32_t slot, uint32_t first);
  /// Reads the next of tokens [slot.computed, total) as one batch. `progress` as in read(), of tokens from
  /// `before` on. False when cancelled: then none of them are counted as computed.
  bool submit_read(uint32_t index, uint32_t total, uint32_t before, const ReadCallback& progress);

  FairMutex mutex_;
  model::ModelSpec spec_;
  LoadOptions options_;
  MakeWeights make_weights_;
  std::unique_ptr<ResidentModel> resident_;
  std::vector<Slot> slots_;
  PrefixCache prefixes_;
  std::optional<uint64_t> most_prefixes_ = 0;  ///< pages; absent: what is planned for and not in use
  DeviceInfo device_info_;
  LoadReport report_;
  uint64_t parameters_ = 0;
  uint32_t context_ = 0;
  uint32_t losses_ = 0;                                              ///< in a row
  std::string last_loss_;                                            ///< what it said
  std::optional<std::chrono::steady_clock::time_point> lost_since_;  ///< until something is accomplished
  std::vector<std::shared_ptr<const vulkan::ValidationLog>> validation_logs_;  ///< of all devices
};

}  // namespace caldera::engine
