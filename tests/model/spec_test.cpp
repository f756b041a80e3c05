// Reading a model's spec from metadata, and refusing what cannot be run.
#include "model/spec.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "model/tiny_model.hpp"

namespace caldera::model {
namespace {

void expect_refused(ErrorKind kind, std::initializer_list<std::string> said, const TinyModel& tiny) {
  expect_error(kind, said, [&] { read_spec(tiny.open()); });
}

TEST(SpecTest, ReadsWhatIsCommon) {
  TinyModel tiny;
  tiny.key("rope.freq_base", 500000.0F).key("attention.sliding_window", 256U);
  const ModelSpec spec = read_spec(tiny.open());
  EXPECT_EQ(spec.architecture, "llama");
  EXPECT_EQ(spec.width, 64U);
  EXPECT_EQ(spec.vocabulary, 48U);
  EXPECT_EQ(spec.context, 512U);
  EXPECT_EQ(spec.rope.rotated, 16U);
  EXPECT_EQ(spec.rope.base, 500000);
  EXPECT_FALSE(spec.rope.neox);
  ASSERT_EQ(spec.layers.size(), 2U);
  for (const LayerSpec& layer : spec.layers) {
    EXPECT_EQ(layer.heads, 4U);
    EXPECT_EQ(layer.kv_heads, 2U);
    EXPECT_EQ(layer.head, 16U);
    EXPECT_EQ(layer.ffn, 96U);
    EXPECT_EQ(layer.window, 256U);
    EXPECT_FALSE(layer.qk_norm);
  }
}

TEST(SpecTest, AWindowBeyondAnyContextIsNone) {
  for (const uint32_t window : {UINT32_MAX, 1U << 24}) {
    EXPECT_EQ(read_spec(TinyModel().key("attention.sliding_window", window).open()).layers[0].window, 0U);
  }
}

TEST(SpecTest, ArchitecturesDifferInRotationAndNorms) {
  const ModelSpec qwen2 = read_spec(TinyModel("qwen2").open());
  EXPECT_TRUE(qwen2.rope.neox);
  EXPECT_FALSE(qwen2.layers[0].qk_norm);
  const ModelSpec qwen3 = read_spec(TinyModel("qwen3").open());
  EXPECT_TRUE(qwen3.rope.neox);
  EXPECT_TRUE(qwen3.layers[1].qk_norm);
}

TEST(SpecTest, SaysHowEmbeddingsArePooled) {
  EXPECT_EQ(read_spec(TinyModel().open()).pooling, Pooling::kMean);
  const std::optional<Pooling> poolings[] = {Pooling::kMean, Pooling::kMean, Pooling::kFirst,
                                             Pooling::kLast, std::nullopt,   std::nullopt};
  for (uint32_t type = 0; type < std::size(poolings); ++type) {
    EXPECT_EQ(read_spec(TinyModel("qwen3").key("pooling_type", type).open()).pooling, poolings[type]) << type;
  }
}

TEST(SpecTest, ValuesMayDifferByLayer) {
  TinyModel tiny;
  tiny.key("attention.head_count_kv", std::vector<int32_t>{1, 4});
  const ModelSpec spec = read_spec(tiny.open());
  EXPECT_EQ(spec.layers[0].kv_heads, 1U);
  EXPECT_EQ(spec.layers[1].kv_heads, 4U);
  expect_refused(ErrorKind::kFormat, {"head_count_kv", "3", "2"},
                 TinyModel().key("attention.head_count_kv", std::vector<int32_t>{2, 2, 2}));
  expect_refused(ErrorKind::kUnsupported, {"head_count_kv"},
                 TinyModel().key("attention.head_count_kv", std::vector<int32_t>{2, 0}));
}

TEST(SpecTest, WithoutKvHeadsEveryHeadHasItsOwn) {
  EXPECT_EQ(read_spec(TinyModel().without("attention.head_count_kv").open()).layers[0].kv_heads, 4U);
}

TEST(SpecTest, NamesAnUnknownArchitecture) {
  expect_refused(ErrorKind::kUnsupported, {"mamba", "llama", "qwen2", "qwen3"}, TinyModel("mamba"));
  expect_refused(ErrorKind::kUnsupported, {"''"}, TinyModel(""));
}

TEST(SpecTest, NamesMissingKeys) {
  for (const char* key :
       {"embedding_length", "context_length", "block_count", "attention.head_count", "feed_forward_length"}) {
    expect_refused(ErrorKind::kFormat, {key}, TinyModel().without(key));
  }
}

TEST(SpecTest, RefusesImpossibleValues) {
  const std::pair<const char*, uint32_t> impossible[] = {
      {"embedding_length", 0},        {"embedding_length", 16},          {"embedding_length", 1U << 21},
      {"context_length", 0},          {"context_length", UINT32_MAX},    {"block_count", 0},
      {"block_count", 5000},          {"attention.head_count", 0},       {"attention.head_count", UINT32_MAX},
      {"attention.head_count_kv", 0}, {"attention.head_count_kv", 3},    {"attention.head_count_kv", 8},
      {"feed_forward_length", 0},     {"feed_forward_length", 1U << 24}, {"attention.key_length", 4},
      {"attention.key_length", 512},  {"rope.dimension_count", 2},       {"rope.dimension_count", 17},
      {"rope.dimension_count", 1000}};
  for (const auto& [key, value] : impossible) {
    SCOPED_TRACE(key);
    expect_refused(ErrorKind::kFormat, {}, TinyModel().key(key, value));
  }
  expect_refused(ErrorKind::kFormat, {"embedding_length"},
                 TinyModel().key("embedding_length", std::string("wide")));
}

TEST(SpecTest, RefusesHeadsThatNoKernelServes) {
  expect_refused(ErrorKind::kUnsupported, {"512"}, [] {
    TinyModel tiny;
    tiny.key("embedding_length", 512U).key("attention.head_count", 1U).key("attention.head_count_kv", 1U);
    tiny.tensors["token_embd.weight"].shape = {512, 48};
    return tiny;
  }());
  // More heads than the width has dimensions.
  expect_refused(ErrorKind::kUnsupported, {}, TinyModel().key("attention.head_count", 128U));
  expect_refused(ErrorKind::kUnsupported, {"12"}, TinyModel().key("attention.key_length", 12U));
  expect_refused(ErrorKind::kUnsupported, {"values"}, TinyModel().key("attention.value_length", 32U));
  expect_refused(ErrorKind::kUnsupported, {"6"}, TinyModel().key("rope.dimension_count", 6U));
}

TEST(SpecTest, RefusesExperts) {
  expect_refused(ErrorKind::kUnsupported, {"experts"}, TinyModel().key("expert_count", 8U));
  EXPECT_NO_THROW(read_spec(TinyModel().key("expert_count", 0U).open()));
}

TEST(SpecTest, ReadsRopeScaling) {
  const RopeSpec linear =
      read_spec(TinyModel().key("rope.scaling.type", "linear").key("rope.scaling.factor", 2.0F).open()).rope;
  EXPECT_EQ(linear.scaling, RopeScaling::kLinear);
  EXPECT_EQ(linear.factor, 2);
  EXPECT_EQ(read_spec(TinyModel().key("rope.scale_linear", 3.0F).open()).rope.scaling, RopeScaling::kLinear);
  EXPECT_EQ(read_spec(TinyModel().key("rope.scaling.type", "none").key("rope.scaling.factor", 2.0F).open())
                .rope.scaling,
            RopeScaling::kNone);
  const RopeSpec yarn = read_spec(TinyModel()
                                      .key("rope.scaling.type", "yarn")
                                      .key("rope.scaling.factor", 4.0F)
                                      .key("rope.scaling.original_context_length", 128U)
                                      .key("rope.scaling.yarn_beta_fast", 16.0F)
                                      .open())
                            .rope;
  EXPECT_EQ(yarn.scaling, RopeScaling::kYarn);
  EXPECT_EQ(yarn.original_context, 128);
  EXPECT_EQ(yarn.beta_fast, 16);
  EXPECT_EQ(yarn.beta_slow, 1);
}

TEST(SpecTest, RefusesRopeScalingItDoesNotKnow) {
  expect_refused(ErrorKind::kUnsupported, {"longrope"}, TinyModel().key("rope.scaling.type", "longrope"));
  expect_refused(ErrorKind::kFormat, {"original_context_length"},
                 TinyModel().key("rope.scaling.type", "yarn"));
  for (const float value : {0.0F, -1.0F, NAN, INFINITY}) {
    expect_refused(ErrorKind::kFormat, {"rope.scaling.factor"},
                   TinyModel().key("rope.scaling.type", "linear").key("rope.scaling.factor", value));
    expect_refused(ErrorKind::kFormat, {"rope.freq_base"}, TinyModel().key("rope.freq_base", value));
  }
}

TEST(SpecTest, TheEmbeddingSaysHowLargeTheVocabularyIs) {
  TinyModel absent;
  absent.tensors.erase("token_embd.weight");
  expect_refused(ErrorKind::kFormat, {"token_embd.weight"}, absent);
  TinyModel narrow;
  narrow.tensors["token_embd.weight"].shape = {32, 48};
  expect_refused(ErrorKind::kFormat, {"token_embd.weight", "64"}, narrow);
}

}  // namespace
}  // namespace caldera::model
