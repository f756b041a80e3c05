#version 460
// Draws the next token of each output of the batch from its logits, on the device, and makes it the input of the
// sequence's next step. Order: penalties, temperature, top-k, top-p, min-p, the draw. Temperature 0 takes the largest
// logit, the lowest id among equals. One workgroup an output. logits (outputs, vocabulary) f32, changed in place by
// penalties. Sums are made in a fixed order, so that the same seed gives the same text.
// Groups: (outputs).
#include "common.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;

/// What the device holds of a sequence. Mirrored by kernels/state.hpp.
layout(buffer_reference, std430, buffer_reference_align = 16) buffer Sequence {
  float temperature;
  float top_p;
  float min_p;
  float repeat_penalty;
  float presence_penalty;
  float frequency_penalty;
  uint top_k;           // at most kMaxTopK; 0: off
  uint penalty_window;  // 0: no penalties
  uint seed_low;
  uint seed_high;
  uint decode_entry;  // the sequence's entry in the decode batch
  uint produced;      // tokens drawn since the host last reset it
  uint ended;         // an end token was drawn
  uint end_count;
  uint end_token[18];
};
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer Slots {
  Sequence sequence;
  WriteWords counts;   // (vocabulary) how often each token stands in the penalty window
  WriteWords history;  // (context) the sequence's tokens
  WriteWords results;  // (kResultRing) tokens drawn, for the host
  uint64_t unused;
};
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer SlotTable { uint64_t slot[]; };

layout(push_constant) uniform Constants {
  WriteFloats logits;
  Batch batch;         // the batch the logits come from
  Batch decode_batch;  // the batch of the next step
  SlotTable slots;
  uint vocabulary;
};

const uint kResultRing = 64;
const uint kMaxTopK = 1024;
const float kLowest = -3.4e38;

shared float shared_float[THREADS];
shared uint shared_uint[THREADS];
shared uint histogram[256];
shared float kept_value[kMaxTopK];
shared uint kept_id[kMaxTopK];
shared uint broadcast_uint;
shared float broadcast_float;

/// Sum over the workgroup, in an order that never changes. Ends with all threads in step.
float sum_all(float value) {
  const uint me = gl_LocalInvocationID.x;
  barrier();
  shared_float[me] = value;
  barrier();
  if (me == 0) {
    float sum = 0;
    for (uint i = 0; i < THREADS; ++i) sum += shared_float[i];
    broadcast_float = sum;
  }
  barrier();
  return broadcast_float;
}

/// The float's bits as an unsigned number of the same order.
uint ordered(float value) {
  const uint bits = floatBitsToUint(value);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

/// Philox 2x32-10 (Salmon et al., SC11, doi:10.1145/2063384.2063405): one uniform number in [0, 1) a position and seed.
float uniform_at(uint position, uint seed_low, uint seed_high) {
  uvec2 counter = uvec2(position, seed_high);
  uint key = seed_low;
  for (uint round = 0; round < 10; ++round) {
    uint high, low;
    umulExtended(0xD256D193u, counter.x, high, low);
    counter = uvec2(high ^ key ^ counter.y, low);
    key += 0x9E3779B9u;
  }
  return float(counter.x >> 8) * (1.0 / 16777216.0);
}

void main() {
  const uint me = gl_LocalInvocationID.x;
  const uint output_number = gl_WorkGroupID.x;
  if (batch.tokens == 0 || output_number >= batch.outputs) return;
  const Entry entry = batch.entries[batch.output_index[output_number]];
  Slots mine = Slots(slots.slot[entry.slot]);
  Sequence sequence = mine.sequence;
  if (sequence.ended != 0) return;
  const uint base = output_number * vocabulary;
  const uint position = entry.position;

  // Each thread owns one contiguous run of the vocabulary, so that prefix sums follow token order.
  const uint run = (vocabulary + THREADS - 1) / THREADS;
  const uint begin = min(me * run, vocabulary);
  const uint end = min(begin + run, vocabulary);

  const bool penalties = sequence.penalty_window > 0;
  WriteWords counts = mine.counts;
  float best = kLowest;
  uint best_id = 0;
  for (uint i = begin; i < end; ++i) {
    float logit = logits.v[base + i];
    if (penalties) {
      const uint count = counts.v[i];
      if (count > 0) {
        logit = logit > 0 ? logit / sequence.repeat_penalty : logit * sequence.repeat_penalty;
        logit -= sequence.presence_penalty + float(count) * sequence.frequency_penalty;
        logits.v[base + i] = logit;
      }
    }
    if (logit > best) {
      best = logit;
      best_id = i;
    }
  }
  shared_float[me] = best;
  shared_uint[me] = best_id;
  barrier();
  if (me == 0) {
    for (uint i = 1; i < THREADS; ++i) {
      if (shared_float[i] > best) {
        best = shared_float[i];
        best_id = shared_uint[i];
      }
    }
    broadcast_float = best;
    broadcast_uint = best_id;
  }
  barrier();
  const float maximum = broadcast_float;
  uint chosen = broadcast_uint;
  barrier();

  if (sequence.temperature > 0) {
    const float inverse = 1 / sequence.temperature;
    uint candidates = vocabulary;
    const bool short_list = sequence.top_k > 0 && sequence.top_k < vocabulary;
    if (short_list) {
      // Radix selection: the key of the top_k-th largest logit, eight bits at a time.
      uint prefix = 0;
      uint wanted = min(sequence.top_k, kMaxTopK);
      for (int shift = 24; shift >= 0; shift -= 8) {
        for (uint i = me; i < 256; i += THREADS) histogram[i] = 0;
        barrier();
        const uint mask = shift == 24 ? 0 : 0xFFFFFFFFu << (shift + 8);
        for (uint i = begin; i < end; ++i) {
          const uint key = ordered(logits.v[base + i]);
          if ((key & mask) == prefix) atomicAdd(histogram[key >> shift & 255], 1);
        }
        barrier();
        if (me == 0) {
          uint bin = 255;
          uint above = 0;
          while (bin > 0 && above + histogram[bin] < wanted) above += histogram[bin--];
          broadcast_uint = bin;
          histogram[0] = wanted - above;
        }
        barrier();
        prefix |= broadcast_uint << shift;
        wanted = histogram[0];
        barrier();
      }
      // Larger keys all go on the list, and of the equal ones the first `wanted`, in the order of their ids.
      uint larger = 0, equal = 0;
      for (uint i = begin; i < end; ++i) {
        const uint key = ordered(logits.v[base + i]);
        larger += uint(key > prefix);
        equal += uint(key == prefix);
      }
      shared_uint[me] = larger;
      shared_float[me] = float(equal);  // counts up to the vocabulary are exact
      barrier();
      uint larger_before = 0, equal_before = 0;
      for (uint i = 0; i < me; ++i) {
        larger_before += shared_uint[i];
        equal_before += uint(shared_float[i]);
      }
      uint at = larger_before + min(equal_before, wanted);
      for (uint i = begin; i < end; ++i) {
        const float logit = logits.v[base + i];
        const uint key = ordered(logit);
        const bool listed = key > prefix || (key == prefix && equal_before < wanted);
        if (key == prefix) equal_before++;
        if (listed && at < kMaxTopK) {
          kept_value[at] = logit;
          kept_id[at] = i;
          at++;
        }
      }
      candidates = min(sequence.top_k, kMaxTopK);
      barrier();
    }
    const uint share = (candidates + THREADS - 1) / THREADS;
    const uint from = min(me * share, candidates);
    const uint to = min(from + share, candidates);
#define LOGIT(i) (short_list ? kept_value[i] : logits.v[base + (i)])
#define MASS(i) exp((LOGIT(i) - maximum) * inverse)

    float mass = 0;
    for (uint i = from; i < to; ++i) mass += MASS(i);
    const float total = sum_all(mass);

    // The least logit that stays: top-p by bisection over keys, min-p from the maximum.
    uint least = 0;
    if (sequence.top_p < 1) {
      uint low = 0, high = ordered(maximum);  // mass(key >= low) reaches top_p, always
      while (low < high) {
        const uint middle = low + (high - low + 1) / 2;
        mass = 0;
        for (uint i = from; i < to; ++i) mass += ordered(LOGIT(i)) >= middle ? MASS(i) : 0;
        if (sum_all(mass) >= sequence.top_p * total) {
          low = middle;
        } else {
          high = middle - 1;
        }
      }
      least = low;
    }
    mass = 0;
    for (uint i = from; i < to; ++i) {
      const float m = MASS(i);
      if (ordered(LOGIT(i)) >= least && m >= sequence.min_p) mass += m;
    }
    if (me == 0) broadcast_uint = chosen;
    const float kept = sum_all(mass);
    // Each thread's mass still stands in shared_float.
    float before = 0;
    for (uint i = 0; i < me; ++i) before += shared_float[i];
    const float target = uniform_at(position, sequence.seed_low, sequence.seed_high) * kept;
    // Exactly one thread's run holds the target; rounding at the very end falls back to the largest logit.
    if (mass > 0 && target >= before && target < before + mass) {
      float sum = before;
      uint last = 0;
      for (uint i = from; i < to; ++i) {
        const float m = MASS(i);
        if (ordered(LOGIT(i)) < least || m < sequence.min_p) continue;
        last = short_list ? kept_id[i] : i;
        sum += m;
        if (sum > target) break;
      }
      broadcast_uint = last;
    }
    barrier();
    chosen = broadcast_uint;
  }

  if (me == 0) {
    const uint next = position + 1;
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
