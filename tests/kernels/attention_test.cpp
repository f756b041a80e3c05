// Attention over KV pages against softmax sums in double precision. Parts of pages that nobody has written
// hold NaN.
#include <gtest/gtest.h>

#include "kernels/expected_attention.hpp"
#include "kernels/kernel_test.hpp"
#include "kernels/test_pages.hpp"

namespace caldera::kernels {
namespace {

struct Case {
  uint32_t heads = 6;
  uint32_t kv_heads = 2;
  uint32_t head = 64;
  uint32_t window = 0;
  uint32_t splits = 1;
  float sharpness = 4;  ///< the scores are about this large
  plan::KvFormat keys = plan::KvFormat::kF16;
  plan::KvFormat values = plan::KvFormat::kF16;
};

constexpr uint32_t kMostTokens = 320;

/// Attention of `entries`, each of which sees its slot's keys up to its position; nothing later has been
/// written, but for the tokens of the same batch.
void check(const Case& c, const std::vector<Entry>& entries, bool one_token_each, uint32_t recorded) {
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
  const DeviceArray<float> out = untouched(size_t{recorded} * c.heads * c.head);
  const DeviceArray<float> parts(
      std::vector<float>(size_t{recorded} * c.heads * kMaxSplits * (c.head + 2), NAN));
  run(Attention{pages.shape(c.heads, c.window), qkv.range(), out.range(), parts.range(), pages.tables(), kKv},
      TestBatch(entries), {recorded, one_token_each, c.splits});

  const std::vector<float> got = out.get();
  // Scores of some `sharpness` are sums of `head` products in f32; their error is one of the weights, in
  // proportion, and values are below 1.
  const double tolerance = (1 + double{c.sharpness}) * 1e-5;
  for (uint32_t t = 0; t < recorded; ++t) {
    for (uint32_t h = 0; h < c.heads; ++h) {
      const float* result = &got[(size_t{t} * c.heads + h) * c.head];
      if (t >= entries.size()) {
        for (uint32_t d = 0; d < c.head; ++d)
          ASSERT_EQ(result[d], kUntouched) << "token " << t << ", head " << h;
        continue;
      }
      const Entry& entry = entries[t];
      const uint32_t kv_head = h / (c.heads / c.kv_heads);
      const float* query = &in[size_t{t} * row + h * c.head];
      const std::vector<double> expected =
          attend(pages, images, entry.slot, kv_head, first_seen(entry.position, c.window), entry.position,
                 std::vector<double>(query, query + c.head));
      for (uint32_t d = 0; d < c.head; ++d) {
        ASSERT_NEAR(result[d], expected[d], tolerance)
            << "token " << t << " at " << entry.position << ", head " << h << ", dimension " << d;
      }
    }
  }
}

/// One token of each of eight sequences, with contexts on both sides of tiles' and pages' edges.
void check_decode(const Case& c, uint32_t recorded = 8) {
  std::vector<Entry> entries;
  for (const uint32_t context : {200U, 1U, 65U, 7U, 64U, 8U, 63U, 9U}) {
    entries.push_back({0, context - 1, static_cast<uint32_t>(entries.size()), 0});
  }
  check(c, entries, true, recorded);
}

/// Neighbouring tokens of slot 1.
void check_prefill(const Case& c, uint32_t first, uint32_t count, uint32_t recorded) {
  ASSERT_LE(first + count, kMostTokens);
  std::vector<Entry> entries;
  for (uint32_t i = 0; i < count; ++i) entries.push_back({0, first + i, 1, 0});
  check(c, entries, false, recorded);
}

/// Heads that share a KV head: 1, 3, 4, 7 and 8.
const std::vector<Case> kSharing{{.heads = 3, .kv_heads = 3},
                                 {.heads = 6, .kv_heads = 2},
                                 {.heads = 8, .kv_heads = 2},
                                 {.heads = 14, .kv_heads = 2},
                                 {.heads = 8, .kv_heads = 1}};
/// The largest heads are not shared, and not tried with several tokens at once by a software device: its
/// compiler takes a minute and more for what is then unrolled.
const std::vector<Case> kHeads{
    {.head = 32}, {.head = 80}, {.head = 96}, {.heads = 2, .head = 128}, {.heads = 2, .head = 256}};
constexpr uint32_t kMostSoftwarePromptHead = 80;

TEST(AttentionTest, DecodesWithEverySharing) {
  for (const Case& c : kSharing) check_decode(c);
}

TEST(AttentionTest, DecodesWithEveryHeadSize) {
  for (const Case& c : kHeads) check_decode(c);
}

TEST(AttentionTest, DecodesInSplits) {
  for (const uint32_t splits : {2U, 4U, 16U}) {  // a context of one token has one tile
    check_decode({.splits = splits});
    check_decode({.window = 70, .splits = splits}, 11);
  }
}

TEST(AttentionTest, DecodesInAWindow) {
  for (const uint32_t window : {1U, 5U, 8U, 64U, 100U, 4096U}) check_decode({.window = window});
}

TEST(AttentionTest, SharpAndFlatScores) {
  check_decode({.sharpness = 60});
  check_decode({.sharpness = 0.01F});
  check_decode({.splits = 4, .sharpness = 60});
}

TEST(AttentionTest, ReadsPromptsWithEverySharing) {
  for (const Case& c : kSharing) {
    check_prefill(c, 0, 21, 21);
    check_prefill(c, 55, 20, 24);
  }
}

TEST(AttentionTest, ReadsPromptsWithEveryHeadSize) {
  const bool software = test::device().physical().type == VK_PHYSICAL_DEVICE_TYPE_CPU;
  for (const Case& c : kHeads) {
    if (!software || c.head <= kMostSoftwarePromptHead) check_prefill(c, 60, 10, 12);
  }
}

TEST(AttentionTest, ReadsPromptsOfEveryLength) {
  for (const uint32_t first : {0U, 5U, 63U, 127U, 190U}) {
    for (const uint32_t count : {1U, 2U, 7U, 9U, 66U}) check_prefill({}, first, count, count + 1);
  }
}

TEST(AttentionTest, ReadsPromptsInAWindow) {
  for (const uint32_t window : {1U, 3U, 9U, 64U, 100U}) check_prefill({.window = window}, 130, 20, 20);
}

TEST(AttentionTest, ReadsPromptsInSplits) {
  check_prefill({.splits = 4}, 0, 10, 10);
  check_prefill({.window = 20, .splits = 4}, 120, 20, 22);
}

TEST(AttentionTest, ReadsEveryFormat) {
  check_decode({.window = 70, .keys = kQ8, .values = kQ8});
  check_decode({.head = 96, .keys = kQ8, .values = kQ4});
  check_decode({.head = 32, .splits = 4, .keys = kQ4, .values = kQ8});
  check_prefill({.head = 32, .keys = kQ4, .values = kQ4}, 55, 20, 24);
}

TEST(AttentionTest, NoTokensWriteNothing) {
  check({}, {}, true, 4);
  check({}, {}, false, 4);
  check({.splits = 4}, {}, true, 4);
}

}  // namespace
}  // namespace caldera::kernels
