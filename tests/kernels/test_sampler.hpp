// Sequences on the device, one for each output of a batch, for the tests of the sampler.
#pragma once

#include <optional>
#include <vector>

#include "kernels/kernel_test.hpp"

namespace caldera::kernels {

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
        logits_(size_t{count} * vocabulary) {
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

  void step(const TestBatch& batch, const TestBatch& decode_batch, uint32_t recorded) {
    run(Sample{logits_.range(), decode_batch.address(), slots_.address(), vocabulary_}, batch,
        {recorded, true});
  }
  /// Draws once for every sequence, as the step at `position`, and returns the tokens.
  std::vector<uint32_t> draw(uint32_t position) {
    std::vector<Entry> entries;
    std::vector<uint32_t> outputs;
    for (uint32_t s = 0; s < count_; ++s) {
      entries.push_back({kNoToken, position, s, 0});
      outputs.push_back(s);
    }
    const TestBatch batch(entries, outputs, count_);
    step(batch, batch, count_);
    std::vector<uint32_t> tokens;
    for (const Entry& entry : batch.entries()) tokens.push_back(entry.token);
    return tokens;
  }

 private:
  struct alignas(16) Addresses {
    SlotAddresses of;
  };

  uint32_t vocabulary_;
  uint32_t count_;
  DeviceArray<Sequence> states_;
  DeviceArray<uint32_t> counts_;
  DeviceArray<uint32_t> history_;
  DeviceArray<uint32_t> results_;
  DeviceArray<Addresses> addresses_;
  DeviceArray<uint64_t> slots_;
  DeviceArray<float> logits_;
};

}  // namespace caldera::kernels
