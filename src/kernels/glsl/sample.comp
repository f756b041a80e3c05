#version 460
// Draws the next token of each output of the batch from its logits, on the device, and makes it the input of the
// sequence's next step. Order: penalties, mask, temperature, top-k, top-p, min-p, the draw. Temperature 0 takes the largest
// logit, the lowest id among equals. logits (outputs, vocabulary) f32, changed in place by penalties and masks.
//
// The vocabulary is cut into slices of kSlice tokens, a workgroup each, which summarise them (sample_slice.glsl). The
// workgroup that finishes an output last decides (sample_draw.glsl). So one dispatch serves, and what is left to do
// alone hardly depends on the vocabulary. Sums are made in a fixed order, or of integers, so that the same seed gives
// the same text whichever workgroup is last.
// Groups: (slices, outputs).
#include "common.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;  // of a workgroup: a power of two, from 32 to kSlice

#include "sample_state.glsl"
#include "sample_slice.glsl"
#include "sample_draw.glsl"

/// Whether this workgroup is the last of its output's; then what the others have written can be read.
bool last_of_output(uint output_number) {
  memoryBarrierBuffer();
  barrier();
  if (me == 0) {
    const bool last = atomicAdd(counters.v[output_number], 1) == slice_count() - 1;
    if (last) counters.v[output_number] = 0;  // as the next dispatch must find it
    found = uint(last);
  }
  barrier();
  memoryBarrierBuffer();
  return found != 0;
}

void main() {
  me = gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID;
  const uint slice = gl_WorkGroupID.x;
  const uint output_number = gl_WorkGroupID.y;
  row = output_number * vocabulary;
  first_slice = output_number * slice_count();

  // On their way while the settings are found, which takes a chain of loads.
  first_id = slice * kSlice + me;
  for (uint j = 0; j < kShare; ++j) {
    const uint id = first_id + j * THREADS;
    const float logit = logits.v[row + min(id, vocabulary - 1)];
    own[j] = id < vocabulary ? logit : kNothing;
  }
  if (batch.tokens == 0 || output_number >= batch.outputs) return;
  const Entry entry = batch.entries[batch.output_index[output_number]];
  Slots mine = Slots(slots.slot[entry.slot]);
  Sequence sequence = mine.sequence;
  if (sequence.ended != 0) return;
  const bool penalties = sequence.penalty_window > 0;
  const float temperature = sequence.temperature;
  WriteWords counts = mine.counts;
  if (penalties) {
    for (uint j = 0; j < kShare; ++j) {
      const uint id = first_id + j * THREADS;
      const uint count = id < vocabulary ? counts.v[id] : 0;
      if (count > 0) {
        const float logit = own[j] > 0 ? own[j] / sequence.repeat_penalty : own[j] * sequence.repeat_penalty;
        own[j] = logit - (sequence.presence_penalty + float(count) * sequence.frequency_penalty);
        logits.v[row + id] = own[j];
      }
    }
  }
  if (mine.mask != 0) {
    // After penalties, which cannot make it finite again.
    Words mask = Words(mine.mask);
    for (uint j = 0; j < kShare; ++j) {
      const uint id = first_id + j * THREADS;
      if (id >= vocabulary || (mask.v[id / 32] >> id % 32 & 1) != 0) continue;
      own[j] = kNothing;
      logits.v[row + id] = kNothing;
    }
  }
  if (temperature > 0) {
    inverse = min(1 / temperature, 1e30);  // so that no product of it with 0 is no number
    bins = kBins * inverse;
  }
  summarise_slice(slice, temperature > 0);
  if (!last_of_output(output_number)) return;

  float best = kLowest;
  uint chosen = 0;
  for (uint s = me; s < slice_count(); s += THREADS) {
    const float largest = slices.slice[first_slice + s].maximum;
    if (largest > best) {
      best = largest;
      chosen = slices.slice[first_slice + s].largest;
    }
  }
  reduce_largest(best, chosen);
  // Without a largest number there is nothing to compare the others with.
  if (temperature > 0 && best > kLowest && best <= -kLowest) {
    maximum = best;
    top_bin = bin_of(best);
    Settings settings;
    settings.top_k = min(sequence.top_k, kMaxTopK);
    settings.by_count = sequence.top_k > 0 && sequence.top_k < vocabulary;
    settings.top_p = sequence.top_p;
    settings.min_p = sequence.min_p;
    settings.random = uniform_at(entry.position, sequence.seed_low, sequence.seed_high);
    chosen = draw(settings, chosen);
  }

  if (me == 0) {
    const uint next = entry.position + 1;
    mine.results.v[sequence.produced % kResultRing] = chosen;
    sequence.produced++;
    WriteWords history = mine.history;
    if (penalties) {
      history.v[next] = chosen;
      counts.v[chosen]++;
      if (next >= sequence.penalty_window) counts.v[history.v[next - sequence.penalty_window]]--;
    }
    decode_batch.entries[sequence.decode_entry].token = chosen;
    decode_batch.entries[sequence.decode_entry].position = next;
    for (uint i = 0; i < sequence.end_count; ++i) {
      if (chosen == sequence.end_token[i]) sequence.ended = 1;
    }
    if (sequence.ended != 0 && atomicAdd(decode_batch.running, 0xFFFFFFFFu) == 1) decode_batch.tokens = 0;
  }
}
