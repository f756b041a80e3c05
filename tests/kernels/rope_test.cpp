// Rotation, head norms, and what is written to KV pages, against angles computed in double precision.
#include <gtest/gtest.h>

#include <set>

#include "kernels/expected_attention.hpp"
#include "kernels/kernel_test.hpp"
#include "kernels/test_pages.hpp"

namespace caldera::kernels {
namespace {

constexpr float kEpsilon = 1e-6F;

struct Case {
  uint32_t heads = 4;
  uint32_t kv_heads = 2;
  uint32_t head = 64;
  uint32_t rotated = 64;
  bool neox = false;
  bool norm = false;
  plan::KvFormat keys = plan::KvFormat::kF16;
  plan::KvFormat values = plan::KvFormat::kF16;

  RotaryCase rotary() const { return {head, rotated, neox, norm, kEpsilon}; }
};

void check(const Case& c, const std::vector<Entry>& entries, uint32_t recorded) {
  SCOPED_TRACE(::testing::Message() << c.heads << " over " << c.kv_heads << " heads of " << c.head << ", "
                                    << c.rotated << " rotated" << (c.neox ? ", neox" : "")
                                    << (c.norm ? ", norm" : ""));
  const uint32_t row = (c.heads + 2 * c.kv_heads) * c.head;
  std::vector<std::vector<uint32_t>> needed(2);
  for (size_t slot = 0; slot < needed.size(); ++slot) {
    std::set<uint32_t> pages;
    for (const Entry& entry : entries) {
      if (entry.slot == slot) pages.insert(entry.position / kPageTokens);
    }
    needed[slot].assign(pages.begin(), pages.end());
  }
  const TestPages pages(needed, c.kv_heads, c.head, c.keys, c.values);
  const std::vector<float> in = test::uniforms(size_t{recorded} * row, c.head + c.rotated, -3, 3);
  const std::vector<float> query_norm = test::uniforms(c.head, 1, 0.5F, 2);
  const std::vector<float> key_norm = test::uniforms(c.head, 2, 0.5F, 2);
  const DeviceArray<float> qkv(in);
  const DeviceArray<float> device_query_norm(query_norm);
  const DeviceArray<float> device_key_norm(key_norm);
  const DeviceArray<float> table(rope_table(c.rotary()));
  const float scale = 1 / std::sqrt(static_cast<float>(c.head));
  run(Rope{pages.shape(c.heads), qkv.range(), table.address(), c.norm ? device_query_norm.address() : 0,
           c.norm ? device_key_norm.address() : 0, pages.tables(), kKv, c.rotated, c.neox, kEpsilon, scale},
      TestBatch(entries), {recorded});

  const std::vector<float> got = qkv.get();
  TestImages images;
  TestImages written;
  for (const auto& [place, page] : pages.pages()) {
    images[place] = pages.blank();
    written[place] = page->get();
  }
  for (uint32_t t = 0; t < recorded; ++t) {
    if (t >= entries.size()) {
      for (uint32_t i = 0; i < row; ++i) ASSERT_EQ(got[t * row + i], in[t * row + i]) << "token " << t;
      continue;
    }
    const Entry& entry = entries[t];
    for (uint32_t h = 0; h < c.heads; ++h) {
      const uint32_t base = t * row + h * c.head;
      const std::vector<double> expected =
          rotated_head(c.rotary(), &in[base], query_norm, double{scale}, entry.position);
      for (uint32_t d = 0; d < c.head; ++d) {
        // Values below 9 in f32, turned by cos and sin that two f32 tables compose.
        ASSERT_NEAR(got[base + d], expected[d], 9 * double{scale} * 8 * 0x1p-24 * (c.norm ? 2 : 1))
            << "token " << t << ", head " << h << ", dimension " << d;
      }
    }
    const std::pair<uint32_t, uint32_t> place(entry.slot, entry.position / kPageTokens);
    for (uint32_t h = 0; h < c.kv_heads; ++h) {
      const float* key = &in[t * row + (c.heads + h) * c.head];
      const float* value = key + size_t{c.kv_heads} * c.head;
      expect_stored(pages, written[place], images[place], false, h, entry.position,
                    rotated_head(c.rotary(), key, key_norm, 1, entry.position));
      expect_stored(pages, written[place], images[place], true, h, entry.position,
                    std::vector<double>(value, value + c.head));
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
  ASSERT_EQ(written, images);
}

const std::vector<Entry> kEntries{{0, 0, 0, 0},   {0, 255, 1, 0},    {0, 256, 0, 0},
                                  {0, 257, 1, 0}, {0, 100000, 0, 0}, {0, 63, 1, 0},
                                  {0, 64, 0, 0},  {0, 63, 0, 0},     {0, 99999, 1, 0}};

TEST(RopeTest, EveryHeadSizeAndPairing) {
  for (const uint32_t head : {32U, 64U, 80U, 128U}) {
    for (const bool neox : {false, true}) {
      for (const bool norm : {false, true}) {
        check({.head = head, .rotated = head, .neox = neox, .norm = norm}, kEntries, 9);
      }
    }
  }
}

TEST(RopeTest, PartOfAHead) {
  for (const bool neox : {false, true}) {
    for (const bool norm : {false, true}) {
      for (const uint32_t rotated : {4U, 20U, 32U, 60U}) {
        check({.head = 64, .rotated = rotated, .neox = neox, .norm = norm}, kEntries, 9);
      }
    }
  }
}

TEST(RopeTest, HeadCounts) {
  check({.heads = 1, .kv_heads = 1}, kEntries, 9);
  check({.heads = 7, .kv_heads = 1, .neox = true}, kEntries, 9);
  check({.heads = 8, .kv_heads = 8}, kEntries, 9);
}

TEST(RopeTest, FewerTokensThanRecorded) {
  check({}, {kEntries.begin(), kEntries.begin() + 3}, 8);
  check({}, {}, 8);
}

TEST(RopeTest, StoresEveryFormat) {
  constexpr std::pair<plan::KvFormat, plan::KvFormat> kFormats[] = {
      {kQ8, kQ8}, {kQ4, kQ4}, {kQ8, kQ4}, {kF16, kQ4}, {kQ8, kF16}};
  for (const auto& [keys, values] : kFormats) {
    // Of 32 and 96 an odd number of scales: neighbouring tokens share words.
    for (const uint32_t head : {32U, 96U, 128U, 256U}) {
      check({.head = head,
             .rotated = head,
             .neox = head != 96,
             .norm = head == 96,
             .keys = keys,
             .values = values},
            kEntries, 9);
    }
    check({.rotated = 20, .neox = true, .keys = keys, .values = values}, kEntries, 9);
  }
}

TEST(RopeTest, NeighboursAcrossPageEdges) {
  std::vector<Entry> entries;
  for (uint32_t position = 60; position < 130; ++position) entries.push_back({0, position, 1, 0});
  check({.heads = 2, .kv_heads = 1, .head = 32, .rotated = 32}, entries, 70);
  check({.heads = 2, .kv_heads = 1, .head = 32, .rotated = 32, .keys = kQ8, .values = kQ4}, entries, 70);
}

}  // namespace
}  // namespace caldera::kernels
