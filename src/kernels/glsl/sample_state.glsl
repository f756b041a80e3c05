// What the sampler works on: sequences, slices of the vocabulary, and what the threads of a workgroup share.

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
  uint64_t mask;       // address of a bit for each token that may be drawn, ((vocabulary + 31) / 32) uint; 0: all may
};
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer SlotTable { uint64_t slot[]; };

const uint kResultRing = 64;
const uint kMaxTopK = 1024;
const float kLowest = -3.4e38;
#define kNothing uintBitsToFloat(0xFF800000u)  // minus infinity

// Logits are sorted into bins of 1 / kBins of what the temperature makes the unit, counted down from the bin of the
// largest: the depth. At the last depth lies all that is less than e^-31 as likely as the largest. A draw has 24 bits
// and never reaches it.
const float kBins = 32;
const uint kDepths = 1024;
const uint kDeepest = kDepths - 2;  // that is told apart

const uint kSlice = 2048;  // tokens; plan/working_memory.hpp counts its bytes
const uint kShare = kSlice / THREADS;  // a thread's
struct Slice {
  float maximum;        // of its logits
  uint largest;         // the lowest id with it
  float kept;           // mass that may be drawn
  uint unused;
  vec2 upto[kDepths];   // tokens and mass to each depth; depth and mass from the slice's own largest
  uint sorted[kSlice];  // ids, by depth
};
// What one workgroup writes and another reads in the same dispatch.
layout(buffer_reference, std430, buffer_reference_align = 16) coherent buffer Slices { Slice slice[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) coherent buffer Counters { uint v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) coherent buffer Logits { float v[]; };

layout(push_constant) uniform Constants {
  Logits logits;
  Batch batch;         // the batch the logits come from
  Batch decode_batch;  // the batch of the next step
  SlotTable slots;
  Counters counters;  // (outputs) slices that are done; zero before and after
  Slices slices;      // (outputs, slices)
  uint vocabulary;
};

uint slice_count() { return (vocabulary + kSlice - 1) / kSlice; }

shared float values[kSlice];  // logits of the list
shared uint words[kSlice];    // counts and masses of the slice's depths, then ids of the list, or a histogram
shared vec2 sums[THREADS];
shared uint found;
shared float found_value;

uint me;            // the thread; neighbours are in one subgroup
uint row;           // where the output's logits begin
uint first_slice;   // of the output
uint first_id;      // of the thread's tokens of the slice, which are THREADS apart
float own[kShare];  // and their logits
float inverse;      // 1 / temperature
float bins;         // in a unit of logits
float maximum;      // of the output's logits
int top_bin;        // the maximum's

/// The logit, or the lowest of all for what is no number.
float comparable(float logit) { return (floatBitsToUint(logit) & 0x7FFFFFFFu) > 0x7F800000u ? kNothing : logit; }
float logit_of(uint id) { return comparable(logits.v[row + id]); }

int bin_of(float logit) { return int(floor(clamp(logit * bins, -1e9, 1e9))); }
uint depth_of(float logit, int top) { return min(uint(top - bin_of(logit)), kDepths - 1); }

/// How likely a token is, as a share of the likeliest.
float mass_of(float logit) { return exp((logit - maximum) * inverse); }

/// The float's bits as an unsigned number of the same order.
uint ordered(float value) {
  const uint bits = floatBitsToUint(value);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

/// Sums over the threads before this one, and over all of the workgroup, in an order that never changes.
vec2 sum_before(vec2 value, out vec2 total) {
  const vec2 before = subgroupExclusiveAdd(value);
  barrier();  // `sums` may still be read
  if (gl_SubgroupInvocationID == gl_SubgroupSize - 1) sums[gl_SubgroupID] = before + value;
  barrier();
  vec2 lower = vec2(0);
  total = vec2(0);
  for (uint i = 0; i < gl_NumSubgroups; ++i) {
    if (i == gl_SubgroupID) lower = total;
    total += sums[i];
  }
  return lower + before;
}

/// The largest value of the workgroup, and the lowest id with it. Uses `words`.
void reduce_largest(inout float best, inout uint id) {
  const float top = subgroupMax(best);
  const uint lowest = subgroupMin(best == top ? id : 0xFFFFFFFFu);
  barrier();
  if (subgroupElect()) {
    sums[gl_SubgroupID].x = top;
    words[gl_SubgroupID] = lowest;
  }
  barrier();
  best = sums[0].x;
  id = words[0];
  for (uint i = 1; i < gl_NumSubgroups; ++i) {
    if (sums[i].x > best || (sums[i].x == best && words[i] < id)) {
      best = sums[i].x;
      id = words[i];
    }
  }
  barrier();
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
