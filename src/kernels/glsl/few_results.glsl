// The results of kernels that multiply a few int8 vectors on matrix units. The includer has, besides its constants,
//   const uint ROWS                rows of a workgroup
//   shared uvec4 pieces[]          sums of each slice, (SLICES, COLS, ROWS) f32, before store_results()
//   shared float factors[COLS]     room for the factors that normalise
const bool kAdds = EPILOGUE == kAdd || EPILOGUE == kAddInt8;
const bool kMakesVectors = EPILOGUE == kSwiGluInt8 || EPILOGUE == kAddInt8;
const uint kRowsAnOutput = EPILOGUE == kSwiGlu || EPILOGUE == kSwiGluInt8 ? 2 : 1;

/// Makes the factors that normalise the vectors: subgroups take them in turn.
void make_factors(uint count) {
  const uint units = columns / 32;
  const uint facts = 128 * (int8_plane_bytes(units) / 16);
  [[dont_unroll]] for (uint c = gl_SubgroupID; c < COLS; c += ROW_GROUPS * SLICES) {
    const uint64_t vector = x + uint64_t(min(c, count - 1) * TERMS * int8_vector_bytes(units) + facts);
    float squares = 0;
    for (uint unit = gl_SubgroupInvocationID; unit < units; unit += SUBGROUP) squares += Floats(vector).v[4 * unit + 3];
    squares = subgroupAdd(squares);
    if (gl_SubgroupInvocationID == 0) factors[c] = inversesqrt(squares / float(columns) + epsilon);
  }
}

/// Four neighbouring products of a vector, from row `row` of the workgroup's.
vec4 products_of(uint column, uint row, uint first_row) {
  vec4 sum = vec4(0);
  [[unroll]] for (uint s = 0; s < SLICES; ++s) {
    sum += uintBitsToFloat(pieces[((s * COLS + column) * ROWS + row) / 4]);
  }
  sum *= (NORMED ? factors[column] : 1) / (kVectorScale * kWeightScale);
  if (BIAS) {
    [[unroll]] for (uint i = 0; i < 4; ++i) sum[i] += bias.v[min(first_row + row + i, rows - 1)];
  }
  return sum;
}

/// Stores the results, four outputs a lane.
void store_results(uint first_row, uint count) {
  const uint kFours = ROWS / kRowsAnOutput / 4;
  const uint kItems = COLS * kFours;
  const uint outputs = rows / kRowsAnOutput;
  for (uint begin = gl_SubgroupID * SUBGROUP; begin < kItems; begin += gl_NumSubgroups * SUBGROUP) {
    const uint item = min(begin + gl_SubgroupInvocationID, kItems - 1);
    const uint column = item / kFours;
    const uint four = item % kFours;
    const uint first = first_row / kRowsAnOutput + four * 4;
    const bool wanted = begin + gl_SubgroupInvocationID < kItems && column < count && first < outputs;
    vec4 value = products_of(column, four * 4 * kRowsAnOutput, first_row);
    if (kRowsAnOutput == 2) {
      const vec4 upper = products_of(column, four * 8 + 4, first_row);
      const vec4 gate = vec4(value.xz, upper.xz);
      value = gate / (1 + exp(-gate)) * vec4(value.yw, upper.yw);
    }
    const uint target = column * out_stride + first;
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      if (!wanted || first + i >= outputs) continue;
      if (kAdds) value[i] += result.v[target + i];
      if (EPILOGUE != kSwiGluInt8) result.v[target + i] = value[i];
    }
    if (!kMakesVectors) continue;
    const float square = dot(value, value);
    if (EPILOGUE == kAddInt8) value *= norm.v[min(first, outputs - 4) / 4];
    store_int8_unit(vectors + uint64_t(column * int8_vector_bytes(vector_units)), vector_units, first_unit + first / 32,
                    value, EPILOGUE == kAddInt8 ? square : 0, wanted);
  }
}

