// Sequences on the device, one for each output of a batch, for the tests of the sampler.
#pragma once

#include <optional>
#include <vector>

#include "kernels/kernel_test.hpp"
#include "plan/working_memory.hpp"

namespace caldera::kernels {

/// Threads of a workgroup about as on GPUs, where they are more than on software devices, and a subgroup is
/// not all of them.
inline constexpr uint32_t kGpuThreads = 256;

/// How a sequence is sampled when nothing is asked for: the plain distribution of the logits.
inline Sequence plain(float temperature = 1) {
  Sequence sequence{};
  sequence.temperature = temperature;
  sequence.top_p = 1;
  sequence.repeat_penalty = 1;
  return sequence;
}

/// `count` sequences, of which number s is entry s of the batch whose logits are drawn from and, if nothing
/// else is asked for, entry s of the decode batch.
class TestSampler {
 public:
  TestSampler(uint32_t vocabulary, uint32_t count, const Sequence& sequence, uint32_t context = 64)
      : vocabulary_(vocabulary),
        count_(count),
        states_(count),
        counts_(std::vector<uint32_t>(size_t{count} * vocabulary)),
        history_(std::vector<uint32_t>(size_t{count} * context)),
        results_(std::vector<uint32_t>(size_t{count} * kResultRing, kNoToken)),
        addresses_(count),
        slots_(count),
        logits_(size_t{count} * vocabulary),
        scratch_(plan::sampler_bytes(count, vocabulary)) {
    test::device().upload(scratch_.memory(), 0, std::vector<std::byte>(plan::kSamplerCounterBytes));
    std::vector<Sequence> states(count, sequence);
    std::vector<Addresses> addresses(count);
    std::vector<uint64_t> slots(count);
    for (uint32_t s = 0; s < count; ++s) {
      states[s].decode_entry = s;
      states[s].seed_low = s + 1;
      addresses[s].of = {states_.address() + s * sizeof(Sequence),
                         counts_.address() + uint64_t{s} * vocabulary * sizeof(uint32_t),
                         history_.address() + uint64_t{s} * context * sizeof(uint32_t),
                         results_.address() + uint64_t{s} * kResultRing * sizeof(uint32_t), 0};
      slots[s] = addresses_.address() + s * sizeof(Addresses);
    }
    set_sequences(states);
    addresses_.set(addresses);
    slots_.set(slots);
  }

  /// What results and entries hold where no token was drawn.
  static constexpr uint32_t kNoToken = 0xABCDEF01;

  std::vector<Sequence> sequences() const { return states_.get(); }
  void set_sequences(const std::vector<Sequence>& states) { states_.set(states); }
  std::vector<uint32_t> counts() const { return counts_.get(); }
  void set_counts(const std::vector<uint32_t>& counts) { counts_.set(counts); }
  std::vector<uint32_t> history() const { return history_.get(); }
  void set_history(const std::vector<uint32_t>& history) { history_.set(history); }
  std::vector<uint32_t> results() const { return results_.get(); }
  /// Logits after the last step, with penalties in them; (count, vocabulary).
  std::vector<float> logits() const { return logits_.get(); }
  void set_logits(const std::vector<float>& logits) { logits_.set(logits); }
  /// The same logits for every sequence.
  void set_all_logits(const std::vector<float>& logits) {
    std::vector<float> all;
    for (uint32_t s = 0; s < count_; ++s) all.insert(all.end(), logits.begin(), logits.end());
    set_logits(all);
  }

  /// Threads of a workgroup; 0: as suits the device.
  void set_threads(uint32_t threads) { threads_ = threads; }

  void step(const TestBatch& batch, const TestBatch& decode_batch, uint32_t recorded) {
    run(operation(decode_batch), batch, {recorded, true});
  }
  /// Draws once for every sequence, as the step at `position`, and returns the tokens.
  std::vector<uint32_t> draw(uint32_t position) {
    const TestBatch batch = whole_batch(position);
    step(batch, batch, count_);
    std::vector<uint32_t> tokens;
    for (const Entry& entry : batch.entries()) tokens.push_back(entry.token);
    return tokens;
  }
  /// Draws for every sequence at `steps` positions from `position` on, in one submission; at most
  /// kResultRing. (sequences, steps). Penalties would be applied again at each of them.
  std::vector<uint32_t> draw_series(uint32_t position, uint32_t steps) {
    std::vector<Sequence> states = sequences();
    for (Sequence& state : states) state.produced = 0;
    set_sequences(states);
    const TestBatch batch = whole_batch(position);
    Kernels kernels = shared_kernels();
    vulkan::Recording recording(test::device());
    for (uint32_t i = 0; i < steps; ++i) {
      kernels.record({&recording, batch.address(), count_, true, 1}, operation(batch));
    }
    recording.finish();
    test::run(recording);
    std::vector<uint32_t> tokens;
    const std::vector<uint32_t> rings = results();
    for (uint32_t s = 0; s < count_; ++s) {
      const auto ring = rings.begin() + int64_t{s} * kResultRing;
      tokens.insert(tokens.end(), ring, ring + steps);
    }
    return tokens;
  }

 private:
  struct alignas(16) Addresses {
    SlotAddresses of;
  };

  Sample operation(const TestBatch& decode_batch) const {
    return {logits_.range(), decode_batch.address(), slots_.address(),
            vocabulary_,     scratch_.range(),       threads_};
  }
  TestBatch whole_batch(uint32_t position) const {
    std::vector<Entry> entries;
    std::vector<uint32_t> outputs;
    for (uint32_t s = 0; s < count_; ++s) {
      entries.push_back({kNoToken, position, s, 0});
      outputs.push_back(s);
    }
    return TestBatch(entries, outputs, count_);
  }

  uint32_t vocabulary_;
  uint32_t count_;
  uint32_t threads_ = 0;
  DeviceArray<Sequence> states_;
  DeviceArray<uint32_t> counts_;
  DeviceArray<uint32_t> history_;
  DeviceArray<uint32_t> results_;
  DeviceArray<Addresses> addresses_;
  DeviceArray<uint64_t> slots_;
  DeviceArray<float> logits_;
  DeviceArray<std::byte> scratch_;
};

}  // namespace caldera::kernels
