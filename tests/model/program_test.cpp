// Programs: how many operations a model becomes, and how they share memory.
#include "model/program.hpp"

#include <gtest/gtest.h>

#include <string>

#include "caldera/error.hpp"
#include "kernels/state.hpp"
#include "model/tiny_model.hpp"
#include "support/device.hpp"

namespace caldera::model {
namespace {

constexpr plan::BatchLimits kLimits{.tokens = 16, .outputs = 4, .decode_tokens = 4, .context = 512};

/// Counts operations of each kind, in the order of the variant.
std::vector<size_t> kinds(const std::vector<Operation>& operations) {
  std::vector<size_t> counts(std::variant_size_v<Operation>);
  for (const Operation& operation : operations) ++counts[operation.index()];
  return counts;
}

TEST(ProgramTest, ALayerIsEightOperations) {
  const gguf::File file = TinyModel().open();
  const ModelSpec spec = read_spec(file);
  const Weights weights = load_weights(file, spec, test::device(), {});
  const Program program(spec, weights, kLimits, {}, test::device());
  // Embedding; and twice norm, QKV, rope, attention, output, norm, gate and up, down.
  EXPECT_EQ(program.reading(64).body.size(), 1U + 2 * 8);
  // Embed, Norm, Product, Rope, Attention, DecodeAttention, SwiGlu, Sample, Quantize.
  EXPECT_EQ(kinds(program.reading(64).body), (std::vector<size_t>{1, 4, 8, 2, 2, 0, 0, 0, 0}));
  EXPECT_EQ(kinds(program.reading(64).head), (std::vector<size_t>{0, 1, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(kinds(program.sampling()), (std::vector<size_t>{0, 0, 0, 0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(program.page_bytes(), 2U * 2 * 2 * kernels::kPageTokens * 16 * 2);
  EXPECT_GE(program.logits().bytes(), 4U * 48 * sizeof(float));
}

TEST(ProgramTest, KvMemoryInBlocksTakesHeadsOfWholeBlocks) {
  const gguf::File file = TinyModel().open();
  ModelSpec spec = read_spec(file);
  EXPECT_NO_THROW(demand_kv_formats(spec, plan::KvFormat::kF16));
  try {
    demand_kv_formats(spec, {plan::KvFormat::kF16, plan::KvFormat::kQ4_0});
    FAIL() << "heads of 16 are no blocks";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("heads are of 16"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("in f16"), std::string::npos) << error.what();
  }
  for (LayerSpec& layer : spec.layers) layer.head = 96;
  EXPECT_NO_THROW(demand_kv_formats(spec, plan::KvFormat::kQ8_0));
  EXPECT_EQ(page_bytes(spec, {plan::KvFormat::kQ8_0, plan::KvFormat::kQ4_0}),
            2U * 2 * kernels::kPageTokens * (96 / 32) * (34 + 18));
}

TEST(ProgramTest, FewOutputsAreSumsOfTwoInt8Vectors) {
  TinyModel tiny;
  for (const bool blocks : {true, false}) {
    tiny.tensors["output.weight"] = {blocks ? Format::kQ8_0 : Format::kF16, {64, 48}};
    const gguf::File file = tiny.open();
    const ModelSpec spec = read_spec(file);
    const Weights weights = load_weights(file, spec, test::device(), {});
    const Program program(spec, weights, kLimits, {.int8 = true}, test::device());
    EXPECT_EQ(kinds(program.step(1).head), (std::vector<size_t>{0, 1, 1, 0, 0, 0, 0, 0, 0}));
    // Of a few outputs it is two dispatches as well, of vectors of two terms.
    const std::vector<Operation>& few = program.step(1).head_of(kernels::kMaxSumColumns);
    EXPECT_EQ(kinds(few), kinds(program.step(1).head));
    EXPECT_EQ(std::get<kernels::Norm>(few[0]).terms, blocks ? 2 : 1);
    EXPECT_EQ(std::get<kernels::Product>(few[1]).terms, blocks ? 2 : 1);
    EXPECT_EQ(std::get<kernels::Product>(program.step(1).head_of(kernels::kMaxSumColumns + 1)[1]).input,
              kernels::Input::kF32);
  }
}

TEST(ProgramTest, PromptsAreReadAsInt8VectorsWhereAskedFor) {
  TinyModel tiny;
  for (auto& [name, tensor] : tiny.tensors) {
    if (name.starts_with("blk.") && tensor.shape.size() == 2) tensor.format = Format::kQ8_0;
  }
  tiny.tensors["blk.1.ffn_down.weight"].format = Format::kF16;
  const gguf::File file = tiny.open();
  const ModelSpec spec = read_spec(file);
  const Weights weights = load_weights(file, spec, test::device(), {});
  const Program program(spec, weights, kLimits, {.int8 = true, .int8_reading = true}, test::device());
  // The first norm alone is an operation, and the one that follows a product in f32. Heads of 16 dimensions
  // make no units of int8 vectors.
  EXPECT_EQ(kinds(program.reading(64).body), (std::vector<size_t>{1, 3, 8, 2, 2, 0, 0, 0, 0}));
}

TEST(ProgramTest, MixedFormatsCostOperations) {
  TinyModel tiny;
  tiny.tensors["blk.0.attn_v.weight"].format = Format::kQ8_0;
  tiny.tensors["blk.1.ffn_gate.weight"].format = Format::kF16;
  const gguf::File file = tiny.open();
  const ModelSpec spec = read_spec(file);
  const Weights weights = load_weights(file, spec, test::device(), {});
  const Program program(spec, weights, kLimits, {}, test::device());
  EXPECT_EQ(kinds(program.reading(64).body), (std::vector<size_t>{1, 4, 8 + 2 + 1, 2, 2, 0, 1, 0, 0}));
}

TEST(ProgramTest, RefusesWhatKernelsCannotAddress) {
  const gguf::File file = TinyModel().open();
  const ModelSpec spec = read_spec(file);
  const Weights weights = load_weights(file, spec, test::device(), {});
  const auto expect_refused = [&](const ModelSpec& wrong, uint32_t tokens, const char* said) {
    plan::BatchLimits limits = kLimits;
    limits.tokens = tokens;
    expect_error(ErrorKind::kUnsupported, {said},
                 [&] { Program(wrong, weights, limits, {}, test::device()); });
  };
  ModelSpec wide = spec;
  wide.layers[0].ffn = 1U << 20;
  expect_refused(wide, 4096, "activations");
  // 4096 layers of 4096 KV heads: a page of a TiB.
  ModelSpec deep = spec;
  deep.layers.assign(4096, {4096, 4096, 256, 96, 0, false});
  expect_refused(deep, 16, "KV memory");
}

TEST(ProgramTest, LayersHaveTheirOwnPartsOfAPage) {
  TinyModel tiny;
  tiny.key("attention.head_count_kv", std::vector<int32_t>{1, 4});
  for (const char* name : {"attn_k.weight", "attn_v.weight"}) {
    tiny.tensors[std::string("blk.0.") + name].shape = {64, 16};
    tiny.tensors[std::string("blk.1.") + name].shape = {64, 64};
  }
  const gguf::File file = tiny.open();
  const ModelSpec spec = read_spec(file);
  const Weights weights = load_weights(file, spec, test::device(), {});
  const Program program(spec, weights, kLimits, {}, test::device());
  uint64_t expected = 0;
  uint32_t layer = 0;
  for (const Operation& operation : program.reading(64).body) {
    const auto* attention = std::get_if<kernels::Attention>(&operation);
    if (attention == nullptr) continue;
    const uint32_t keys = (layer == 0 ? 1 : 4) * kernels::kPageTokens * 16 * 2;
    EXPECT_EQ(attention->shape.layer_offset, expected);
    EXPECT_EQ(attention->shape.v_offset, keys);
    expected += 2 * keys;
    ++layer;
  }
  EXPECT_EQ(program.page_bytes(), expected);
}

}  // namespace
}  // namespace caldera::model
