// The sampler's second part, by one workgroup: which tokens stay, and which of them is drawn.
//
// The slices' sums tell to which depth tokens can stay. If these are at most kList, they are listed, sorted, cut and
// drawn from. If they are more, those that stay for certain (smaller depths) are only counted by slice, and those of
// the depth where the cut lies are listed. Where even they are too many, as in a distribution that is nearly flat, all
// logits are read again.

const uint kList = kSlice;

struct Settings {
  bool by_count;  // top-k is on
  uint top_k;
  float top_p;
  float min_p;
  float random;   // in [0, 1)
};

/// Tokens and mass of a slice to a depth below the output's largest.
vec2 slice_upto(uint s, uint depth) {
  const float top = slices.slice[first_slice + s].maximum;
  const uint below = uint(top_bin - bin_of(top));
  if (depth < below) return vec2(0);
  const vec2 sum = slices.slice[first_slice + s].upto[depth - below];
  return vec2(sum.x, sum.y * mass_of(top));
}

float total_mass() {
  vec2 sum = vec2(0);
  for (uint s = me; s < slice_count(); s += THREADS) sum += slice_upto(s, kDeepest);
  vec2 total;
  sum_before(sum, total);
  return total.y;
}

/// The depth at which so many tokens, or else so much mass, are reached; kDeepest if they never are.
uint reach(bool tokens, float wanted) {
  const uint kPoints = 32;  // looked at together; their square is kDepths
  uint depth = 0;
  for (uint step = kPoints; step > 0; step /= kPoints) {
    const uint point = min(depth + (me % kPoints + 1) * step - 1, kDeepest);
    vec2 sum = vec2(0);
    for (uint s = me / kPoints; s < slice_count(); s += THREADS / kPoints) sum += slice_upto(s, point);
    barrier();
    sums[me] = sum;
    if (me == 0) found = kPoints - 1;
    barrier();
    if (me < kPoints) {
      for (uint i = me + kPoints; i < THREADS; i += kPoints) sum += sums[i];
      if ((tokens ? sum.x : sum.y) >= wanted) atomicMin(found, me);
    }
    barrier();
    depth += found * step;
  }
  return min(depth, kDeepest);
}

/// The depths between which a cut lies: those before `first` stay whole, those after `last` go. None: first > last.
struct Between {
  uint first;
  uint last;
};

/// Tokens of smaller depths, and of those between.
uvec2 count_tokens(Between between) {
  vec2 sum = vec2(0);
  for (uint s = me; s < slice_count(); s += THREADS) {
    sum.x += between.first > 0 ? slice_upto(s, between.first - 1).x : 0;
    sum.y += slice_upto(s, between.last).x;
  }
  vec2 total;
  sum_before(sum, total);
  return uvec2(total.x, total.y - total.x);
}

void list(uint id, float logit) {
  const uint at = atomicAdd(found, 1);
  if (at < kList) {
    words[at] = id;
    values[at] = logit;
  }
}

void begin_list() {
  barrier();
  if (me == 0) found = 0;
  barrier();
}

uint end_list() {
  barrier();
  return min(found, kList);
}

/// Lists the tokens between, in no order. Returns how many.
uint list_depths(Between between) {
  const uint kLanes = 8;  // for a slice
  begin_list();
  for (uint s = me / kLanes; s < slice_count(); s += THREADS / kLanes) {
    const uint from = between.first > 0 ? uint(slice_upto(s, between.first - 1).x) : 0;
    const uint to = uint(slice_upto(s, between.last).x);
    for (uint i = from + me % kLanes; i < to; i += kLanes) {
      const uint id = slices.slice[first_slice + s].sorted[i];
      list(id, logit_of(id));
    }
  }
  return end_list();
}

/// Sorts the list: larger logits first, of equal ones lower ids. A bitonic network.
void sort_list(uint count) {
  uint size = 2;
  while (size < count) size *= 2;
  for (uint i = count + me; i < size; i += THREADS) {
    values[i] = kNothing;
    words[i] = 0xFFFFFFFFu;
  }
  barrier();
  for (uint block = 2; block <= size; block *= 2) {
    for (uint apart = block / 2; apart > 0; apart /= 2) {
      for (uint i = me; i < size / 2; i += THREADS) {
        const uint a = 2 * i - (i & (apart - 1));
        const uint b = a + apart;
        const bool behind = values[b] > values[a] || (values[b] == values[a] && words[b] < words[a]);
        if (behind == ((a & block) == 0)) {
          const float value = values[a];
          values[a] = values[b];
          values[b] = value;
          const uint id = words[a];
          words[a] = words[b];
          words[b] = id;
        }
      }
      barrier();
    }
  }
}

/// Cuts the sorted list of `count` tokens by top-p and min-p and draws from what stays, after a mass of `base` that
/// stays for certain. `total`: the mass that top-p takes its share of; 0: the list's. Returns whether the list was hit:
/// then id is the token, otherwise `target` is where in the mass before the list the draw fell.
bool draw_listed(Settings settings, uint count, float base, float total, inout uint id, out float target) {
  if (count == 0) {
    target = settings.random * base;
    return false;
  }
  const uint each = (count + THREADS - 1) / THREADS;
  const uint begin = min(me * each, count);
  const uint end = min(begin + each, count);
  float mass = 0;
  for (uint i = begin; i < end; ++i) mass += mass_of(values[i]);
  vec2 all;
  float before = base + sum_before(vec2(mass, 0), all).x;

  // Top-p keeps the likeliest until their mass reaches its share, and whatever equals the last of them.
  if (me == 0) found = settings.top_p < 1 ? 0 : count - 1;
  barrier();
  if (settings.top_p < 1) {
    const float share = settings.top_p * (total > 0 ? total : all.x);
    for (uint i = begin; i < end; ++i) {
      if (before < share) atomicMax(found, i);
      before += mass_of(values[i]);
    }
  }
  barrier();
  const float least = values[found];
  mass = 0;
  for (uint i = begin; i < end; ++i) {
    const float m = mass_of(values[i]);
    if (values[i] >= least && m >= settings.min_p) mass += m;
  }
  before = sum_before(vec2(mass, 0), all).x;

  target = settings.random * (base + all.x);
  if (me == 0) found = 0xFFFFFFFFu;
  barrier();
  if (target < base) return false;
  for (uint i = begin; i < end; ++i) {
    const float m = mass_of(values[i]);
    if (values[i] < least || m < settings.min_p) break;
    before += m;
    if (before > target - base) {
      atomicMin(found, i);
      break;
    }
  }
  barrier();
  if (found < count) id = words[found];
  return true;
}

/// Which tokens may be drawn where they are too many for the list.
struct Cut {
  uint depths;  // smaller depths than this
  uint least;   // logits in this order or above
  float min_p;  // mass
};

float cut_mass(Cut cut, float logit) {
  const float mass = mass_of(logit);
  const bool stays = depth_of(logit, top_bin) < cut.depths && ordered(logit) >= cut.least && mass >= cut.min_p;
  return stays ? mass : 0;
}

/// Notes the mass that each slice has in the depths before `first`.
void weigh_depths(uint first) {
  for (uint s = me; s < slice_count(); s += THREADS) {
    slices.slice[first_slice + s].kept = slice_upto(s, first - 1).y;
  }
}

/// Notes what may be drawn of each slice, summed from the logits themselves, a subgroup a slice.
void weigh_slices(Cut cut) {
  for (uint s = gl_SubgroupID; s < slice_count(); s += gl_NumSubgroups) {
    const uint end = min((s + 1) * kSlice, vocabulary);
    float mass = 0;
    for (uint id = s * kSlice + gl_SubgroupInvocationID; id < end; id += gl_SubgroupSize) {
      mass += cut_mass(cut, logit_of(id));
    }
    mass = subgroupAdd(mass);
    if (subgroupElect()) slices.slice[first_slice + s].kept = mass;
  }
}

/// The sum of what was noted of the slices; `before`: of those before the thread's own, which are neighbours.
float sum_slices(out float before) {
  memoryBarrierBuffer();
  barrier();
  const uint each = (slice_count() + THREADS - 1) / THREADS;
  const uint end = min((me + 1) * each, slice_count());
  float mass = 0;
  for (uint s = me * each; s < end; ++s) mass += slices.slice[first_slice + s].kept;
  vec2 total;
  before = sum_before(vec2(mass, 0), total).x;
  return total.x;
}

/// The token of those within the cut at `target` of their mass, or `fallback`.
uint draw_from_slices(Cut cut, float target, float before, uint fallback) {
  const uint each = (slice_count() + THREADS - 1) / THREADS;
  const uint last_slice = min((me + 1) * each, slice_count());
  if (me == 0) found = 0xFFFFFFFFu;
  barrier();
  float share = 0;  // of the slice's mass
  uint mine = 0xFFFFFFFFu;
  for (uint s = me * each; s < last_slice && mine == 0xFFFFFFFFu; ++s) {
    const float mass = slices.slice[first_slice + s].kept;
    if (mass > 0 && before + mass > target) {
      mine = s;
      share = max(target - before, 0) / mass;
      atomicMin(found, s);
    }
    before += mass;
  }
  barrier();
  const uint slice = found;
  if (slice >= slice_count()) return fallback;
  barrier();
  if (mine == slice) found_value = share;
  if (me == 0) found = 0xFFFFFFFFu;

  // Within the slice in the order of ids.
  const uint begin = min(slice * kSlice + me * kShare, vocabulary);
  const uint end = min(begin + kShare, vocabulary);
  float mass = 0;
  for (uint id = begin; id < end; ++id) mass += cut_mass(cut, logit_of(id));
  vec2 total;
  before = sum_before(vec2(mass, 0), total).x;
  const float wanted = found_value * total.x;
  for (uint id = begin; id < end; ++id) {
    mass = cut_mass(cut, logit_of(id));
    before += mass;
    if (mass > 0 && before > wanted) {
      atomicMin(found, id);
      break;
    }
  }
  barrier();
  return found < vocabulary ? found : fallback;
}

/// Radix selection over all logits, eight bits at a time: the last token, largest logits and then lowest ids first, of
/// those that are `wanted` together, counted or by their mass (of `total`). By mass all equal logits stay. Returns its
/// logit as `ordered`, and the complement of its id as far as that matters.
uvec2 select(bool by_count, float wanted_mass, float total, uint wanted_count) {
  const float unit = 1073741824 / total;
  uint wanted = by_count ? wanted_count : max(uint(wanted_mass * unit), 1);
  uvec2 mask = uvec2(0);
  uvec2 prefix = uvec2(0);
  for (uint level = 0; level < (by_count ? 8 : 4); ++level) {
    const uint shift = 24 - 8 * (level % 4);
    barrier();
    for (uint i = me; i < 256; i += THREADS) words[i] = 0;
    barrier();
    for (uint id = me; id < vocabulary; id += THREADS) {
      const float logit = logit_of(id);
      const uvec2 key = uvec2(ordered(logit), ~id);
      if ((key & mask) == prefix) {
        atomicAdd(words[key[level / 4] >> shift & 255], by_count ? 1 : uint(mass_of(logit) * unit + 0.5));
      }
    }
    barrier();
    if (me == 0) {
      uint digit = 255;
      uint above = 0;
      while (digit > 0 && above + words[digit] < wanted) above += words[digit--];
      found = digit;
      words[256] = wanted - above;
    }
    barrier();
    prefix[level / 4] |= found << shift;
    mask[level / 4] |= 255u << shift;
    wanted = words[256];
  }
  return prefix;
}

/// Lists the tokens from one on (as select() gives it), in no order. Returns how many.
uint list_from(uvec2 last) {
  begin_list();
  for (uint id = me; id < vocabulary; id += THREADS) {
    const float logit = logit_of(id);
    const uint key = ordered(logit);
    if (key > last.x || (key == last.x && ~id >= last.y)) list(id, logit);
  }
  return end_list();
}

/// Narrows `between` to where min-p cuts.
void cut_by_mass(float min_p, inout Between between) {
  const float bound = maximum * bins + log(min_p) * kBins;
  const float slack = 0.01 + abs(bound) * 1e-6;
  const int near = top_bin - int(floor(clamp(bound + slack, -1e9, 1e9)));
  const int far = top_bin - int(floor(clamp(bound - slack, -1e9, 1e9)));
  between.first = min(between.first, uint(max(near, 0)));
  between.last = min(between.last, uint(max(far, 0)));
}

/// The token drawn; `largest`: the likeliest. Each function is called in one place, because drivers inline them, and
/// Mesa's software device compiles long kernels slowly.
uint draw(Settings settings, uint largest) {
  Between between = Between(kDeepest + 1, kDeepest);
  bool selected = settings.by_count || settings.top_p < 1;
  float total = 0;
  if (selected) {
    if (!settings.by_count) total = total_mass();
    between.last = reach(settings.by_count, settings.by_count ? settings.top_k : settings.top_p * total);
    between.first = settings.by_count ? 0 : between.last;
  }
  if (settings.min_p > 0 && !settings.by_count) {
    const uint last = between.last;
    cut_by_mass(settings.min_p, between);
    selected = selected && last == between.last;  // else min-p leaves less than top-p
  }
  const bool cut_any = between.first <= between.last;
  const uvec2 tokens = cut_any ? count_tokens(between) : uvec2(0);
  if (cut_any && tokens.x + tokens.y <= kList) between.first = 0;
  const bool listed = (between.first > 0 ? tokens.y : tokens.x + tokens.y) <= kList;

  uvec2 least = uvec2(0);
  if (!listed && selected) least = select(settings.by_count, settings.top_p * total, total, settings.top_k);
  Cut cut = Cut(between.first, 0, 0);
  if (!listed) cut = Cut(kDepths, least.x, settings.min_p);
  float before = 0;
  float base = 0;
  if (!settings.by_count && cut.depths > 0) {
    if (listed) {
      weigh_depths(between.first);
    } else {
      weigh_slices(cut);
    }
    base = sum_slices(before);
  }
  float target = settings.random * base;
  if (settings.by_count || (listed && cut_any)) {
    const uint count = listed ? list_depths(between) : list_from(least);
    sort_list(count);
    uint id = largest;
    if (draw_listed(settings, settings.by_count ? min(count, settings.top_k) : count, base, total, id, target)) return id;
  }
  return draw_from_slices(cut, target, before, largest);
}
