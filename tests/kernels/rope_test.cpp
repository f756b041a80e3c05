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
  const TestPages pages(needed, c.kv_heads, c.head);
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
  std::map<std::pair<uint32_t, uint32_t>, std::vector<double>> images;  // unwritten: NaN
  for (const auto& [place, page] : pages.pages()) images[place].assign(pages.blank().size(), NAN);
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
    std::vector<double>& image = images.at({entry.slot, entry.position / kPageTokens});
    for (uint32_t h = 0; h < c.kv_heads; ++h) {
      const float* key = &in[t * row + (c.heads + h) * c.head];
      const std::vector<double> expected = rotated_head(c.rotary(), key, key_norm, 1, entry.position);
      for (uint32_t d = 0; d < c.head; ++d) {
        image[pages.at(false, h, entry.position, d)] = expected[d];
        image[pages.at(true, h, entry.position, d)] = double{key[c.kv_heads * c.head + d]};
      }
    }
  }
  for (const auto& [place, image] : images) {
    const TestPages::Image page = pages.read(place.first, place.second);
    for (size_t i = 0; i < page.size(); ++i) {
      if (std::isnan(image[i])) {
        ASSERT_EQ(page[i], kUnwritten)
            << "slot " << place.first << ", page " << place.second << ", half " << i;
      } else {
        ASSERT_NEAR(quant::float_from_f16(page[i]), image[i], half_tolerance(image[i]))
            << "slot " << place.first << ", page " << place.second << ", half " << i;
      }
    }
  }
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

TEST(RopeTest, NeighboursAcrossPageEdges) {
  std::vector<Entry> entries;
  for (uint32_t position = 60; position < 130; ++position) entries.push_back({0, position, 1, 0});
  check({.heads = 2, .kv_heads = 1, .head = 32, .rotated = 32}, entries, 70);
}

}  // namespace
}  // namespace caldera::kernels
