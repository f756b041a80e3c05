// Rotation, KV memory and attention of a decode step in one dispatch, against double precision. Rows that
// nobody has written hold NaN, and so do parts.
#include <gtest/gtest.h>

#include "caldera/error.hpp"
#include "kernels/attention_case.hpp"
#include "kernels/expected_attention.hpp"
#include "kernels/int8_vectors.hpp"
#include "kernels/kernel_test.hpp"
#include "kernels/test_pages.hpp"

namespace caldera::kernels {
namespace {

struct Case {
  uint32_t heads = 6;
  uint32_t kv_heads = 2;
  uint32_t head = 64;
  uint32_t rotated = 0;  ///< 0: the whole head
  bool neox = false;
  bool norm = false;
  uint32_t window = 0;
  uint32_t splits = 1;
  float sharpness = 4;  ///< without norms the scores are about this large
  bool f32 = true;
  bool int8 = false;
  std::optional<DecodeAttentionSizes> sizes{};
  plan::KvFormat keys = plan::KvFormat::kF16;
  plan::KvFormat values = plan::KvFormat::kF16;

  RotaryCase rotary() const { return {head, rotated == 0 ? head : rotated, neox, norm, 1e-6F}; }
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  out << c.heads << " over " << c.kv_heads << " heads of " << c.head << ", " << c.rotary().rotated
      << " rotated" << (c.neox ? ", neox" : "") << (c.norm ? ", norm" : "") << ", window " << c.window << ", "
      << c.splits << " splits";
  out << ", KV formats " << static_cast<int>(c.keys) << " " << static_cast<int>(c.values);
  if (c.sizes) out << ", sizes " << c.sizes->heads << " " << c.sizes->keys << " " << c.sizes->subgroups;
  return out;
}

/// Contexts on both sides of tiles' and pages' edges, the new token included.
const std::vector<uint32_t> kContexts{200, 1, 65, 7, 64, 9, 129, 2};

/// One token of each of as many sequences as there are contexts, recorded for `recorded`.
void check(const Case& c, const std::vector<uint32_t>& contexts = kContexts, uint32_t recorded = 8) {
  SCOPED_TRACE(::testing::Message() << c << ", " << contexts.size() << " of " << recorded << " tokens");
  // Entries and slots in opposite order.
  std::vector<Entry> entries;
  std::vector<uint32_t> written(contexts.size());
  std::vector<std::vector<uint32_t>> needed(contexts.size());
  for (size_t t = 0; t < contexts.size(); ++t) {
    const size_t slot = contexts.size() - 1 - t;
    entries.push_back({0, contexts[t] - 1, static_cast<uint32_t>(slot), 0});
    written[slot] = contexts[t] - 1;
    for (uint32_t page = 0; page * kPageTokens < contexts[t]; ++page) needed[slot].push_back(page);
  }
  TestPages pages(needed, c.kv_heads, c.head, c.keys, c.values);
  TestImages images = fill_pages(pages, written, c.kv_heads, c.head);

  const uint32_t row = (c.heads + 2 * c.kv_heads) * c.head;
  std::vector<float> in = test::uniforms(size_t{recorded} * row, c.heads + c.head, -1, 1);
  for (size_t i = 0; i < in.size(); ++i) {
    if (i % row < size_t{c.heads} * c.head) in[i] *= 3 * c.sharpness;
  }
  const float scale = 1 / std::sqrt(static_cast<float>(c.head));
  const std::vector<float> query_norm = test::uniforms(c.head, 1, 0.5F, 2);
  const std::vector<float> key_norm = test::uniforms(c.head, 2, 0.5F, 2);
  const uint32_t width = c.heads * c.head;
  const size_t int8_bytes = c.int8 ? plan::int8_vector_bytes(width) : 16;
  const DeviceArray<float> qkv(in);
  const DeviceArray<float> device_query_norm(query_norm);
  const DeviceArray<float> device_key_norm(key_norm);
  const DeviceArray<float> table(rope_table(c.rotary()));
  const DeviceArray<float> out = untouched(size_t{recorded} * width);
  const DeviceArray<std::byte> out_int8(std::vector<std::byte>(recorded * int8_bytes, std::byte{0x55}));
  const DeviceArray<float> parts(
      std::vector<float>(size_t{recorded} * c.heads * kMaxSplits * (c.head + 2), NAN));
  const DeviceArray<uint32_t> counters(std::vector<uint32_t>(size_t{recorded} * c.heads));

  const AttentionShape shape = pages.shape(c.heads, c.window);
  const DecodeAttention operation{
      {shape, qkv.range(), table.address(), c.norm ? device_query_norm.address() : 0,
       c.norm ? device_key_norm.address() : 0, pages.tables(), kKv, c.rotary().rotated, c.neox,
       c.rotary().epsilon, scale},
      {shape, qkv.range(), c.f32 ? out.range() : Range{}, parts.range(), pages.tables(), kKv},
      c.int8 ? out_int8.range() : Range{},
      counters.range()};
  const TestBatch batch(entries);
  Kernels kernels = shared_kernels();
  kernels.set_decode_attention_sizes(c.sizes);
  vulkan::Recording recording(test::device());
  kernels.record({&recording, batch.address(), recorded, true, c.splits}, operation);
  recording.finish();
  test::run(recording);
  test::run(recording);  // what it has written is not in its way

  ASSERT_EQ(qkv.get(), in);
  for (const uint32_t counter : counters.get()) ASSERT_EQ(counter, 0U);

  // Keys and values of the new tokens, and nothing else, have been written.
  for (size_t t = 0; t < entries.size(); ++t) {
    const Entry& entry = entries[t];
    TestPages::Image& image = images.at({entry.slot, entry.position / kPageTokens});
    const TestPages::Image got = pages.read(entry.slot, entry.position / kPageTokens);
    for (uint32_t h = 0; h < c.kv_heads; ++h) {
      const float* key = &in[t * row + (c.heads + h) * c.head];
      const float* value = key + size_t{c.kv_heads} * c.head;
      // Attention must have used them as they were stored.
      expect_stored(pages, got, image, false, h, entry.position,
                    rotated_head(c.rotary(), key, key_norm, 1, entry.position));
      expect_stored(pages, got, image, true, h, entry.position, std::vector<double>(value, value + c.head));
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
  for (const auto& [place, image] : images) ASSERT_EQ(pages.read(place.first, place.second), image);

  const std::vector<float> got = out.get();
  const std::vector<std::byte> got_int8 = out_int8.get();
  // Scores of some `sharpness` are sums of `head` products in f32, of queries that are rotated in f32; their
  // error is one of the weights, in proportion, and values are below 1.
  // On matrix units queries and weights are rounded to 11 bits, and so are keys and values that are not f16;
  // a query that f32 has moved over the middle between two f16 becomes the other.
  const bool units = c.sizes && c.sizes->units;
  const bool exact = c.keys == kF16 && c.values == kF16;
  const double sharpness{c.sharpness};
  const double tolerance =
      (1 + sharpness) * 1e-5 + (units ? 0x1p-11 + (1 + sharpness) * (exact ? 0x1p-14 : 0x1p-12) : 0);
  for (uint32_t t = 0; t < recorded; ++t) {
    const std::vector<float> result(got.begin() + size_t{t} * width, got.begin() + size_t{t + 1} * width);
    const std::span vector(&got_int8[t * int8_bytes], int8_bytes);
    if (t >= entries.size() || !c.f32) {
      for (const float value : result) ASSERT_EQ(value, kUntouched) << "token " << t;
    }
    if (t >= entries.size() || !c.int8) {
      for (const std::byte value : vector) ASSERT_EQ(value, std::byte{0x55}) << "token " << t;
    }
    if (t >= entries.size()) continue;
    const Entry& entry = entries[t];
    std::vector<double> expected;
    for (uint32_t h = 0; h < c.heads; ++h) {
      std::vector<double> query = rotated_head(c.rotary(), &in[size_t{t} * row + h * c.head], query_norm,
                                               double{scale}, entry.position);
      if (units) std::ranges::transform(query, query.begin(), as_half_query);
      const std::vector<double> head = attend(pages, images, entry.slot, h / (c.heads / c.kv_heads),
                                              first_seen(entry.position, c.window), entry.position, query);
      expected.insert(expected.end(), head.begin(), head.end());
    }
    for (uint32_t i = 0; i < width && c.f32; ++i) {
      ASSERT_NEAR(result[i], expected[i], tolerance) << "token " << t << " at " << entry.position << ", head "
                                                     << i / c.head << ", dimension " << i % c.head;
    }
    if (c.int8) expect_int8(vector, {expected, std::vector<double>(width, tolerance)});
    if (::testing::Test::HasFatalFailure()) return;
  }
}

/// As large devices cut it up, whatever this one is.
DecodeAttentionSizes large(uint32_t heads, uint32_t subgroups = 8, uint32_t keys = 4, uint32_t lanes = 0) {
  return {heads, keys, subgroups, lanes};
}

TEST(DecodeAttentionTest, EverySharing) {
  check({.heads = 2, .kv_heads = 2});
  check({.heads = 4, .kv_heads = 1});
  check({.heads = 14, .kv_heads = 2});
  check({.heads = 16, .kv_heads = 2});
  check({.heads = 16, .kv_heads = 1});
}

TEST(DecodeAttentionTest, HeadsThatDoNotDivideTheSharing) {
  check({.heads = 14, .kv_heads = 2, .int8 = true, .sizes = large(3, 2)});
  check({.heads = 14, .kv_heads = 2, .splits = 3, .int8 = true, .sizes = large(4, 1)});
}

TEST(DecodeAttentionTest, EveryHeadSize) {
  for (const uint32_t head : {32U, 80U, 96U, 128U, 256U}) {
    check({.heads = 4, .head = head, .splits = 4, .int8 = head % 32 == 0});
  }
}

TEST(DecodeAttentionTest, PreparesHeads) {
  for (const bool neox : {false, true}) {
    for (const bool norm : {false, true}) {
      check({.neox = neox, .norm = norm});
      check({.rotated = 20, .neox = neox, .norm = norm}, {99, 3});
    }
  }
}

TEST(DecodeAttentionTest, EverySplit) {
  for (const uint32_t splits : {2U, 3U, 16U, 64U}) check({.splits = splits, .int8 = true});
}

TEST(DecodeAttentionTest, Windows) {
  for (const uint32_t window : {1U, 5U, 8U, 64U, 100U, 4096U}) {
    check({.window = window});
    check({.window = window, .splits = 4});
  }
}

TEST(DecodeAttentionTest, SharpAndFlatScores) {
  check({.sharpness = 60});
  check({.sharpness = 0.01F});
  check({.splits = 4, .sharpness = 60});
}

TEST(DecodeAttentionTest, EitherOutput) {
  check({.f32 = false, .int8 = true});
  check({.splits = 4, .f32 = false, .int8 = true});
  check({.heads = 3, .kv_heads = 1, .head = 32, .f32 = false, .int8 = true});
}

TEST(DecodeAttentionTest, OneToEightSequences) {
  for (uint32_t count = 1; count <= 8; ++count) {
    check({.splits = 3}, {kContexts.begin(), kContexts.begin() + count}, count);
  }
  check({.splits = 2}, {}, 4);
  check({}, {300, 30}, 7);
}

TEST(DecodeAttentionTest, EveryNumberOfSubgroups) {
  for (const uint32_t subgroups : {1U, 2U, 4U, 8U}) {
    check({.int8 = true, .sizes = large(3, subgroups)});
    check({.window = 90, .splits = 2, .sizes = large(3, subgroups)}, {700, 150, 80});
  }
}

TEST(DecodeAttentionTest, EveryNumberOfKeys) {
  for (const uint32_t keys : {1U, 2U, 8U}) check({.heads = 2, .sizes = large(1, 2, keys)});
}

TEST(DecodeAttentionTest, ManyHeadsInSeveralRounds) {
  check({.heads = 4, .kv_heads = 1, .head = 256, .splits = 2, .int8 = true, .sizes = large(3, 8, 1)},
        {300, 20});
}

/// What Rope writes and Attention computes, with a page at an edge and after it.
TEST(DecodeAttentionTest, EveryContextOfSomePages) {
  for (uint32_t context = 1; context <= 140; context += 3) {
    check({.heads = 2, .kv_heads = 1, .head = 32, .splits = 2}, {context, context + 1, context + 2}, 3);
  }
}

/// Heads with few and many pieces a lane, with an odd and an even number of scales.
TEST(DecodeAttentionTest, EveryFormat) {
  check({.heads = 2, .kv_heads = 1, .head = 32, .neox = true, .keys = kQ8, .values = kQ4});
  check({.heads = 2, .kv_heads = 1, .splits = 3, .int8 = true, .keys = kQ8, .values = kQ8});
  check({.heads = 2, .kv_heads = 1, .window = 70, .keys = kF16, .values = kQ4});
  check({.heads = 2, .kv_heads = 1, .head = 96, .norm = true, .splits = 2, .keys = kQ4, .values = kQ8});
  check({.heads = 2, .kv_heads = 1, .head = 256, .keys = kQ4, .values = kQ4});
}

/// Fewer lanes a key and more subgroups, as GPUs have them.
TEST(DecodeAttentionTest, BlocksAsLargeDevicesReadThem) {
  check({.heads = 3,
         .kv_heads = 1,
         .head = 128,
         .neox = true,
         .splits = 2,
         .sizes = large(2, 4, 2, 4),
         .keys = kQ8,
         .values = kQ4},
        {300, 20, 65});
}

/// On matrix units, where the device has them: a software device is told to use them. It compiles each of
/// these kernels for seconds, so heads are small where their size does not matter.
class DecodeAttentionUnitsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    shapes_ = shared_kernels().attention_units().matrix.shapes;
    // Where it has none, kernels_decode_attention_test_matrix runs these on a software device with them.
    if (shapes_.empty()) GTEST_SKIP() << "the device has no matrix units";
  }
  /// With tiles of so many keys that all of a small head's sums are merged at once: of half a head there may
  /// be no whole matrix, or no whole unit of an int8 vector.
  Case with(Case c, uint32_t heads, uint32_t subgroups = 2, uint32_t keys = 16) const {
    c.sizes = {heads, std::max(keys, 2 * shapes_[0].n), subgroups, 0, shapes_[0]};
    return c;
  }
  std::vector<UnitShape> shapes_;
};

TEST_F(DecodeAttentionUnitsTest, EveryContextOfSomePages) {
  const Case c = with({.heads = 6, .kv_heads = 2, .head = 32, .splits = 3, .int8 = true}, 3);
  for (uint32_t context = 1; context <= 140; context += 4) {
    check(c, {context, context + 1, context + 2, context + 300}, 4);
  }
  check(c);
  check(c, {}, 4);
}

TEST_F(DecodeAttentionUnitsTest, HeadsThatDoNotDivideTheSharing) {
  check(with({.heads = 14, .kv_heads = 2, .head = 16, .splits = 2}, 4, 3, 32));
}

/// References that rise late, and scores that are far from 0.
TEST_F(DecodeAttentionUnitsTest, WindowsAndSharpScores) {
  for (const uint32_t window : {1U, 5U, 100U}) {
    check(with({.heads = 4, .kv_heads = 1, .head = 16, .window = window, .splits = 2}, 4));
  }
  for (const float sharpness : {0.01F, 60.0F, 400.0F}) {
    check(with({.heads = 4, .kv_heads = 1, .head = 16, .splits = 2, .sharpness = sharpness}, 4));
  }
}

TEST_F(DecodeAttentionUnitsTest, SumsInTwoRounds) {
  Case c = with({.heads = 4, .kv_heads = 2, .head = 64, .splits = 2, .int8 = true}, 2);
  c.sizes->keys = shapes_[0].n;
  check(c);
}

TEST_F(DecodeAttentionUnitsTest, EveryFormat) {
  check(with({.heads = 2, .kv_heads = 1, .head = 32, .neox = true, .norm = true, .keys = kQ8, .values = kQ4},
             2));
  check(with({.heads = 2, .kv_heads = 1, .head = 32, .splits = 2, .keys = kQ4, .values = kQ8}, 2));
}

TEST(DecodeAttentionUnitsChoiceTest, ServesTheHeadsThatItCan) {
  AttentionUnits units;
  units.matrix = {{{16, 16, 16}, {16, 8, 16}, {16, 8, 8}}, 32, 1024, 49152, false};
  EXPECT_FALSE(decode_attention_on_units(128, 4, units));  // not known to be faster
  units.halves_twice = true;
  EXPECT_FALSE(decode_attention_on_units(128, 8, units));
  EXPECT_TRUE(decode_attention_on_units(128, 16, units));
  units.halves_twice = false;
  units.loads_turned = true;
  for (const uint32_t head : {64U, 128U}) {
    for (const uint32_t sharing : {1U, 4U, 7U, 8U, 16U, 24U}) {
      const auto sizes = decode_attention_on_units(head, sharing, units);
      ASSERT_TRUE(sizes && sizes->units) << head << " " << sharing;
      EXPECT_EQ(*sizes->units, (sharing <= 8 ? UnitShape{16, 8, 16} : UnitShape{16, 16, 16}));
      EXPECT_EQ(sizes->heads, sharing == 24 ? 12U : sharing);
      EXPECT_LE(shared_bytes(*sizes, head), units.matrix.max_shared_bytes);
    }
  }
  for (const uint32_t head : {80U, 96U, 256U})
    EXPECT_FALSE(decode_attention_on_units(head, 4, units)) << head;
  units.matrix.max_shared_bytes = 32768;
  EXPECT_FALSE(decode_attention_on_units(128, 4, units));
}

TEST(DecodeAttentionTest, HeadsThatItCannotTakeAreRefused) {
  Kernels kernels = shared_kernels();
  vulkan::Recording recording(test::device());
  const AttentionShape shape{2, 1, 80, 0, 0, 0};
  const DecodeAttention operation{{.shape = shape}, {.shape = shape}, {256, 256}, {}};
  EXPECT_THROW(kernels.record({&recording, 0, 1, true, 1}, operation), Error);
  const AttentionShape blocks{2, 1, 80, 0, 0, 0, kQ8, kQ8};
  EXPECT_THROW(kernels.record({&recording, 0, 1, true, 1}, Rope{.shape = blocks}), Error);
  EXPECT_THROW(kernels.record({&recording, 0, 1, true, 1}, Attention{.shape = blocks}), Error);
  recording.finish();
}

}  // namespace
}  // namespace caldera::kernels
