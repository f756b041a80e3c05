// The sampler's first part: what is to be known of a slice of the vocabulary.

const float kMassUnit = 1048576;  // of which kSlice times 1.05 fit 32 bits

/// Sorts the slice's tokens by depth, from `own`; `top`: the largest.
void sort_by_depth(uint slice, float top) {
  const int slice_top = bin_of(top);
  for (uint i = me; i < 2 * kDepths; i += THREADS) words[i] = 0;
  barrier();
  for (uint j = 0; j < kShare && first_id + j * THREADS < vocabulary; ++j) {
    const uint depth = depth_of(own[j], slice_top);
    atomicAdd(words[depth], 1);
    // Masses are summed as integers, which come to the same in every order; as shares of about the most that the
    // depth allows, so that they are as precise at every depth. Bins that the float's steps make inexact get no more.
    const float share = min(exp((own[j] - top) * inverse + float(depth) / kBins), 1.05);
    if (depth <= kDeepest) atomicAdd(words[kDepths + depth], uint(share * kMassUnit + 0.5));
  }
  barrier();
  // Each thread owns neighbouring depths.
  const uint each = kDepths / min(THREADS, kDepths);
  const uint begin = min(me * each, kDepths);
  const uint end = min(begin + each, kDepths);
  const float first = exp(-float(begin) / kBins) / kMassUnit;
  const float step = exp(-1 / kBins);
  vec2 sum = vec2(0);
  float unit = first;
  for (uint depth = begin; depth < end; ++depth) {
    sum += vec2(words[depth], float(words[kDepths + depth]) * unit);
    unit *= step;
  }
  vec2 total;
  sum = sum_before(sum, total);
  unit = first;
  for (uint depth = begin; depth < end; ++depth) {
    const uint before = uint(sum.x);
    sum += vec2(words[depth], float(words[kDepths + depth]) * unit);
    unit *= step;
    slices.slice[first_slice + slice].upto[depth] = sum;
    words[depth] = before;
  }
  barrier();
  // Tokens of one depth come in no order.
  for (uint j = 0; j < kShare && first_id + j * THREADS < vocabulary; ++j) {
    const uint at = atomicAdd(words[depth_of(own[j], slice_top)], 1);
    slices.slice[first_slice + slice].sorted[at] = first_id + j * THREADS;
  }
}

/// Finds the largest of `own`, and if `sorted` sorts the slice.
void summarise_slice(uint slice, bool sorted) {
  float best = kLowest;
  uint largest = 0;
  for (uint j = 0; j < kShare; ++j) {
    own[j] = comparable(own[j]);
    if (own[j] > best) {
      best = own[j];
      largest = first_id + j * THREADS;
    }
  }
  reduce_largest(best, largest);
  if (me == 0) {
    slices.slice[first_slice + slice].maximum = best;
    slices.slice[first_slice + slice].largest = largest;
  }
  if (sorted) sort_by_depth(slice, best);
}
