// What the kernels of a decode step's attention share: queries and the new key and value are prepared, the subgroups'
// sums merged, and the parts' by the workgroup that finishes last, which a counter tells.
//
// After decode_attention_inputs.glsl and the constants
//   TILE         keys that a subgroup takes at once; divides a page
//   SHARE        pieces of 16 bytes of `memory` for each subgroup, at least FOURS
//   ROUND_HEADS  what of all heads' sums is merged at once: each subgroup puts ROUND_HEADS rows of ROUND_FOURS
//   ROUND_FOURS  fours of dimensions into its share of `memory`
//   MERGED_AT_ONCE  parts whose sums are under way at once when all are merged
shared uvec4 memory[SUBGROUPS * SHARE];
shared uvec4 own_row[2 * PIECES];  // the new key and value, as load_kv would load them
shared float maxima[SUBGROUPS * HEADS];
shared float totals[SUBGROUPS * HEADS];
shared uint finished;

/// Puts four dimensions of a query, prepared, where the kernel keeps them; `at`: which, as step_dimensions() says.
void put_query(uint query, uvec4 at, vec4 value);

/// Four dimensions of a head's sums that were put into `memory` at `at`.
vec4 load_sums(uint at);

/// The keys of one part, in tiles: those from `begin` to before `end`.
struct Part {
  uint number;
  uint parts;
  uint begin;
  uint end;
};

/// The part of this workgroup, of the keys from `earliest` to before `keys`; its number may be beyond the last. A part
/// has at least a tile for each subgroup.
Part own_part(uint earliest, uint keys) {
  const uint first = earliest / TILE;
  const uint tiles = keys > earliest ? (keys - 1) / TILE + 1 - first : 0;
  const uint share = max((tiles + splits() - 1) / splits(), SUBGROUPS);
  Part part;
  part.number = gl_WorkGroupID.z;
  part.parts = !SPLIT ? 1 : max((tiles + share - 1) / share, 1);
  part.begin = first + part.number * share;
  part.end = first + min((part.number + 1) * share, tiles);
  return part;
}

/// The row that the subgroup has put into `memory`, from `staged` on, as codes of q8_0 or q4_0: into own_row from
/// `first` on, and unless `rows` is 0 to row `row` of those.
void encode_own(uint format, uint staged, uint first, uint64_t rows, uint row) {
  meet_subgroup();
  for (uint from = 0; from < FOURS; from += SUBGROUP) {
    const uint four = from + gl_SubgroupInvocationID;
    const KvCodes codes = encode_kv(format, uintBitsToFloat(memory[staged + min(four, FOURS - 1)]));
    if (four >= FOURS) continue;
    const uint at = first + kv_piece_of(format, four);
    if (stores_word(format, four)) own_row[at][kv_word_of_piece(format, four)] = codes.word;
    own_row[at].z = codes.scale | codes.scale << 16;
    if (rows != 0) store_kv(format, rows, row, four, codes);
  }
  meet_subgroup();
}

/// Normalises and rotates the queries, with `own` also the new key and value, which go to the page:
/// to the keys at `keys`, unless it is 0, and the values that lie `to_values` behind.
void prepare(uint token, uint first_head, uint most_heads, uint kv_head, uint position, bool own, uint64_t keys,
             uint to_values) {
  Rotary rotary = Rotary(table, rotated, position);
  const uint tasks = HEADS + (own ? 2 : 0);
  for (uint task = gl_SubgroupID; task < tasks; task += SUBGROUPS) {
    const bool is_query = task < HEADS;
    const bool is_value = task == HEADS + 1;
    const uint head = is_query ? first_head + min(task, most_heads - 1)
                               : query_heads() + (is_value ? kv_heads : 0) + kv_head;
    Floats values = Floats(uint64_t(qkv) + 4 * HEAD * (token * (query_heads() + 2 * kv_heads) + head));
    const uint format = is_value ? V_FORMAT : K_FORMAT;
    const uint staged = gl_SubgroupID * SHARE;  // not needed yet
    const uint first = is_value ? PIECES : 0;
    const uint64_t rows = keys == 0 ? 0 : keys + (is_value ? to_values : 0);
    const uint row = position % kPageTokens;
    Floats weight = is_query ? query_norm : key_norm;
    const float factor = is_value ? 1 : norm_factor(values, epsilon) * (is_query ? query_scale : 1);
    for (uint step = gl_SubgroupInvocationID; step < FOURS; step += SUBGROUP) {
      const uvec4 at = step_dimensions(step, is_value, rotary);
      const vec4 value = prepare_step(values, step, at, is_value, factor, weight, rotary);
      if (is_query) {
        put_query(task, at, value);
        continue;
      }
      if (format != kKvF16) {
        [[unroll]] for (uint i = 0; i < 4; ++i) memory[staged + at[i] / 4][at[i] % 4] = floatBitsToUint(value[i]);
        continue;
      }
      const uvec4 words = pack_step(at, value);
      own_row[first + words.x / 4][words.x % 4] = words.y;
      own_row[first + words.z / 4][words.z % 4] = words.w;
      if (rows != 0) {
        const uint64_t to = rows + row * kv_row_bytes(kKvF16);
        WriteWords(to).v[words.x] = words.y;
        WriteWords(to).v[words.z] = words.w;
      }
    }
    if (!is_query && format != kKvF16) encode_own(format, staged, first, rows, row);
  }
}

/// Four dimensions of a head's result. Called by whole subgroups, neighbouring lanes with neighbouring dimensions.
void store(uint token, uint head, uint four, vec4 value, bool wanted) {
  if (result != 0 && wanted) WriteFloats4(result).v[(token * query_heads() + head) * FOURS + four] = value;
  if (HEAD % 32 == 0 && result_int8 != 0) {
    const uint units = query_heads() * (HEAD / 32);
    store_int8_unit(result_int8 + token * int8_vector_bytes(units), units, (head * FOURS + four) / 8, value, wanted);
  }
}

/// Merges what the first `busy` subgroups have put into `memory`, of the heads from `first` of the workgroup's and the
/// fours from `first_four` on: into the result if there is one part, else into the part's place. After a barrier.
void merge_round(uint token, uint first_head, uint most_heads, uint first, uint first_four, Part part, uint busy) {
  const uint kRound = ROUND_HEADS * ROUND_FOURS;
  for (uint from = gl_SubgroupID * SUBGROUP; from < kRound; from += SUBGROUPS * SUBGROUP) {
    const uint at = min(from + gl_SubgroupInvocationID, kRound - 1);
    const uint q = min(first + at / ROUND_FOURS, HEADS - 1);
    const uint four = first_four + at % ROUND_FOURS;
    const bool wanted = from + gl_SubgroupInvocationID < kRound && first + at / ROUND_FOURS < most_heads;
    float greatest = kNever;
    for (uint s = 0; s < busy; ++s) greatest = max(greatest, maxima[s * HEADS + q]);
    float weight = 0;
    vec4 value = vec4(0);
    for (uint s = 0; s < busy; ++s) {
      const float shrink = exp(maxima[s * HEADS + q] - greatest);
      weight += shrink * totals[s * HEADS + q];
      value += shrink * load_sums(s * SHARE + at);
    }
    if (part.parts == 1) {
      store(token, first_head + q, four, value / weight, wanted);
    } else if (wanted) {
      const uint row = (token * query_heads() + first_head + q) * splits() + part.number;
      part_sums.v[row * FOURS + four] = value;
      if (four == 0) part_weights.v[row] = vec2(greatest, weight);
    }
  }
}

/// The last part to come here merges all. After the last merge_round().
void merge_parts(uint token, uint first_head, uint most_heads, uint parts) {
  if (!SPLIT || parts == 1) return;
  memoryBarrierBuffer();
  barrier();
  const uint counter = token * kv_heads * CHUNKS + gl_WorkGroupID.x;
  if (gl_LocalInvocationIndex == 0) finished = atomicAdd(counters.v[counter], 1) + 1;
  barrier();
  if (finished != parts) return;
  memoryBarrierBuffer();
  if (gl_LocalInvocationIndex == 0) counters.v[counter] = 0;
  for (uint from = gl_SubgroupID * SUBGROUP; from < HEADS * FOURS; from += SUBGROUPS * SUBGROUP) {
    const uint at = min(from + gl_SubgroupInvocationID, HEADS * FOURS - 1);
    const uint head = first_head + min(at / FOURS, most_heads - 1);
    const bool wanted = from + gl_SubgroupInvocationID < HEADS * FOURS && at / FOURS < most_heads;
    const uint row = (token * query_heads() + head) * splits();
    float greatest = kNever;
    float weight = 0;
    vec4 value = vec4(0);
    for (uint p = 0; p < parts; p += MERGED_AT_ONCE) {
      vec2 weights[MERGED_AT_ONCE];
      vec4 values[MERGED_AT_ONCE];
      [[unroll]] for (uint i = 0; i < MERGED_AT_ONCE; ++i) {
        weights[i] = part_weights.v[row + min(p + i, parts - 1)];
        values[i] = part_sums.v[(row + min(p + i, parts - 1)) * FOURS + at % FOURS];
      }
      float larger = greatest;
      [[unroll]] for (uint i = 0; i < MERGED_AT_ONCE; ++i) larger = max(larger, weights[i].x);
      const float earlier = exp(greatest - larger);
      greatest = larger;
      weight *= earlier;
      value *= earlier;
      [[unroll]] for (uint i = 0; i < MERGED_AT_ONCE; ++i) {
        const float shrink = p + i < parts ? exp(weights[i].x - larger) : 0;
        weight += shrink * weights[i].y;
        value += shrink * values[i];
      }
    }
    store(token, head, at % FOURS, value / weight, wanted);
  }
}
