// Attention over KV pages against softmax sums in double precision. Parts of pages that nobody has written
// hold NaN.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <variant>
#include <vector>

#include "kernels/expected_attention.hpp"
#include "kernels/kernel_test.hpp"
#include "kernels/test_pages.hpp"

namespace caldera::kernels {

/// Attention of one kind, and how it is cut up.
struct AttentionCase {
  uint32_t heads = 6;
  uint32_t kv_heads = 2;
  uint32_t head = 64;
  uint32_t window = 0;
  uint32_t splits = 1;
  float sharpness = 4;  ///< the scores are about this large
  plan::KvFormat keys = plan::KvFormat::kF16;
  plan::KvFormat values = plan::KvFormat::kF16;
  bool half_out = false;
  std::optional<PromptAttention> sizes{};  ///< of prompts; nothing: the usual ones
};

/// What a kernel on matrix units takes for `query`: f16 of it times log2(e).
inline double as_half_query(float query) {
  constexpr float kLog2e = 1.44269504F;
  return double{quant::float_from_f16(quant::f16_from_float(query * kLog2e))} / double{kLog2e};
}

/// Attention of `entries`, each of which sees its slot's keys up to its position; nothing later has been
/// written, but for the tokens of the same batch.
inline void check_attention(const AttentionCase& c, const std::vector<Entry>& entries, bool one_token_each,
                            uint32_t recorded) {
  SCOPED_TRACE(::testing::Message() << c.heads << " over " << c.kv_heads << " heads of " << c.head << ", "
                                    << entries.size() << " of " << recorded << " tokens, window " << c.window
                                    << ", " << c.splits << " splits");
  std::vector<uint32_t> written(1, 0);
  for (const Entry& entry : entries) {
    if (written.size() <= entry.slot) written.resize(entry.slot + 1);
    written[entry.slot] = std::max(written[entry.slot], entry.position + 1);
  }
  std::vector<std::vector<uint32_t>> needed(written.size());
  for (size_t slot = 0; slot < written.size(); ++slot) {
    for (uint32_t page = 0; page * kPageTokens < written[slot]; ++page) needed[slot].push_back(page);
  }
  TestPages pages(needed, c.kv_heads, c.head, c.keys, c.values);
  const TestImages images = fill_pages(pages, written, c.kv_heads, c.head);
  const uint32_t row = (c.heads + 2 * c.kv_heads) * c.head;
  const float size = c.sharpness * 3 / std::sqrt(static_cast<float>(c.head));  // a uniform's variance is 1/3
  const std::vector<float> in = test::uniforms(size_t{recorded} * row, c.heads, -size, size);
  const DeviceArray<float> qkv(in);
  const size_t results = size_t{recorded} * c.heads * c.head;
  const DeviceArray<float> out = untouched(c.half_out ? results / 2 : results);
  const DeviceArray<float> parts(
      std::vector<float>(size_t{recorded} * c.heads * kMaxSplits * (c.head + 2), NAN));
  Kernels kernels = shared_kernels();
  kernels.set_prompt_attention(c.sizes);
  run(kernels,
      Attention{pages.shape(c.heads, c.window), qkv.range(), out.range(), parts.range(), pages.tables(), kKv,
                c.half_out},
      TestBatch(entries), {recorded, one_token_each, c.splits});

  const std::vector<float> floats = out.get();
  const auto* halves = reinterpret_cast<const uint16_t*>(floats.data());
  const auto got = [&](size_t at) { return c.half_out ? quant::float_from_f16(halves[at]) : floats[at]; };
  const auto* untouched_halves = reinterpret_cast<const uint16_t*>(&kUntouched);
  const bool units = !one_token_each && std::holds_alternative<MatrixAttention>(kernels.prompt_attention(
                                            pages.shape(c.heads, c.window), recorded));
  // In f32: scores of some `sharpness` are sums of `head` products; their error is one of the weights, in
  // proportion, and values are below 1. On matrix units weights are rounded to 11 bits, and so are keys and
  // values that are not f16.
  const bool exact = c.keys == plan::KvFormat::kF16 && c.values == plan::KvFormat::kF16;
  const double sharpness{c.sharpness};
  const double tolerance = (units ? 0x1p-11 : 0) + (units && !exact ? (1 + sharpness) * 0x1p-12 : 0) +
                           (c.half_out ? 0x1p-11 : 0) + (1 + sharpness) * 1e-5;
  for (uint32_t t = 0; t < recorded; ++t) {
    for (uint32_t h = 0; h < c.heads; ++h) {
      const size_t first = (size_t{t} * c.heads + h) * c.head;
      if (t >= entries.size()) {
        for (uint32_t d = 0; d < c.head; ++d) {
          const bool same = c.half_out ? halves[first + d] == untouched_halves[(first + d) % 2]
                                       : floats[first + d] == kUntouched;
          ASSERT_TRUE(same) << "token " << t << ", head " << h;
        }
        continue;
      }
      const Entry& entry = entries[t];
      const uint32_t kv_head = h / (c.heads / c.kv_heads);
      const float* query = &in[size_t{t} * row + h * c.head];
      std::vector<double> numbers(query, query + c.head);
      if (units) std::transform(query, query + c.head, numbers.begin(), as_half_query);
      const std::vector<double> expected = attend(
          pages, images, entry.slot, kv_head, first_seen(entry.position, c.window), entry.position, numbers);
      for (uint32_t d = 0; d < c.head; ++d) {
        ASSERT_NEAR(got(first + d), expected[d], tolerance)
            << "token " << t << " at " << entry.position << ", head " << h << ", dimension " << d;
      }
    }
  }
}

/// Neighbouring tokens of slot 1.
inline void check_prefill(const AttentionCase& c, uint32_t first, uint32_t count, uint32_t recorded) {
  std::vector<Entry> entries;
  for (uint32_t i = 0; i < count; ++i) entries.push_back({0, first + i, 1, 0});
  check_attention(c, entries, false, recorded);
}

/// Heads that share a KV head: 1, 3, 4, 7 and 8.
inline const std::vector<AttentionCase> kSharing{{.heads = 3, .kv_heads = 3},
                                                 {.heads = 6, .kv_heads = 2},
                                                 {.heads = 8, .kv_heads = 2},
                                                 {.heads = 14, .kv_heads = 2},
                                                 {.heads = 8, .kv_heads = 1}};

}  // namespace caldera::kernels
