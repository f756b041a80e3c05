// Models of random weights: laid out as a file's would be, and fit to compute with.
#include "model/synthetic.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "gguf/expect_error.hpp"
#include "model/spec.hpp"
#include "model/tiny_model.hpp"
#include "quant/resident.hpp"
#include "support/device.hpp"

namespace caldera::model {
namespace {

plan::WeightFormat format_of(quant::Format format) {
  return {std::string(quant::info(format).name), 0, format};
}

/// Two or more layers of 64 with 4 heads over 2, as TinyModel.
plan::ModelShape tiny_shape(uint32_t layers, quant::Format format) {
  plan::ModelShape shape;
  shape.name = "tiny";
  shape.architecture = "llama";
  shape.width = 64;
  shape.vocabulary = 48;
  shape.context = 512;
  shape.tied = true;
  shape.layers.assign(layers, {.heads = 4, .kv_heads = 2, .head = 16, .ffn = 96});
  const auto add = [&](const char* name, uint64_t rows, uint64_t columns, uint32_t count, quant::Format in) {
    shape.tensors.push_back({name, plan::Part::kFeedForward, rows, columns, count, format_of(in)});
  };
  add("token_embd.weight", 48, 64, 1, format);
  add("output_norm.weight", 1, 64, 1, Format::kF32);
  add("blk.N.attn_norm.weight", 1, 64, layers, Format::kF32);
  add("blk.N.attn_q.weight", 64, 64, layers, format);
  add("blk.N.attn_k.weight", 32, 64, layers, format);
  add("blk.N.attn_v.weight", 32, 64, layers, format);
  add("blk.N.attn_output.weight", 64, 64, layers, format);
  add("blk.N.ffn_norm.weight", 1, 64, layers, Format::kF32);
  add("blk.N.ffn_gate.weight", 96, 64, layers, format);
  add("blk.N.ffn_up.weight", 96, 64, layers, format);
  add("blk.N.ffn_down.weight", 64, 96, layers, format);
  return shape;
}

plan::TensorShape& tensor(plan::ModelShape& shape, const std::string& name) {
  for (plan::TensorShape& one : shape.tensors) {
    if (one.name == name) return one;
  }
  throw std::logic_error("no tensor " + name);
}

std::vector<float> read(const Weights& weights, const kernels::Matrix& matrix) {
  for (const vulkan::Allocation& memory : weights.memory) {
    if (memory.address() != matrix.segments.at(0).address) continue;
    std::vector<float> values(size_t{matrix.rows} * matrix.columns);
    test::device().download(memory, 0, std::as_writable_bytes(std::span(values)));
    return values;
  }
  ADD_FAILURE() << "no memory of the weights lies there";
  return {};
}

TEST(SyntheticTest, LiesAsAFileWould) {
  const TinyModel tiny;
  const gguf::File file = tiny.open();
  const Weights loaded = load_weights(file, read_spec(file), test::device(), {});
  uint64_t most = 0;
  const Weights made =
      synthesize(tiny_shape(2, Format::kF32), test::device(), [&](uint64_t done, uint64_t total) {
        EXPECT_GT(done, most);
        EXPECT_LE(done, total);
        most = done;
        return true;
      });
  EXPECT_EQ(made.parameters, loaded.parameters);
  ASSERT_EQ(made.memory.size(), loaded.memory.size());
  for (size_t i = 0; i < made.memory.size(); ++i)
    EXPECT_EQ(made.memory[i].bytes(), loaded.memory[i].bytes()) << i;
  EXPECT_EQ(most, made.parameters * sizeof(float));
  ASSERT_EQ(made.layers.size(), 2U);
  for (uint32_t i = 0; i < 2; ++i) {
    ASSERT_EQ(made.layers[i].qkv.parts.size(), 1U);
    EXPECT_EQ(made.layers[i].qkv.parts[0].rows, loaded.layers[i].qkv.parts[0].rows);
    ASSERT_EQ(made.layers[i].gate_up.parts.size(), 1U);
    EXPECT_EQ(made.layers[i].gate_up.parts[0].rows, 192U);
  }
  EXPECT_FALSE(made.output_matrix.has_value());
}

TEST(SyntheticTest, HoldsRandomNumbersOfSensibleSize) {
  const Weights made = synthesize(tiny_shape(3, Format::kF32), test::device(), {});
  std::vector<std::vector<float>> seen;
  for (const LayerWeights& layer : made.layers) {
    for (const kernels::Matrix* matrix : {&layer.qkv.parts[0], &layer.attention_output, &layer.down}) {
      const std::vector<float> values = read(made, *matrix);
      double sum = 0;
      double squares = 0;
      for (const float value : values) {
        ASSERT_TRUE(std::isfinite(value));
        sum += value;
        squares += double{value} * value;
      }
      const auto count = static_cast<double>(values.size());
      EXPECT_NEAR(sum / count * std::sqrt(matrix->columns), 0, 0.1);
      EXPECT_NEAR(squares / count * matrix->columns, 1, 0.1);
      EXPECT_EQ(std::find(seen.begin(), seen.end(), values), seen.end()) << "no two matrices are the same";
      seen.push_back(values);
    }
  }
}

TEST(SyntheticTest, EveryFormatIsPlaced) {
  for (const quant::FormatInfo& info : quant::formats()) {
    plan::ModelShape shape = tiny_shape(1, info.format);
    shape.width = 256;
    shape.layers[0] = {.heads = 16, .kv_heads = 2, .head = 16, .ffn = 512};
    for (plan::TensorShape& one : shape.tensors) {
      one.columns = one.name == "blk.N.ffn_down.weight" ? 512 : 256;
    }
    tensor(shape, "blk.N.ffn_down.weight").rows = 256;
    const Weights made = synthesize(shape, test::device(), {});
    EXPECT_EQ(made.layers[0].down.format, info.format) << info.name;
    EXPECT_EQ(made.layers[0].down.layout.row_bytes, quant::row_layout(info.format, 512).row_bytes);
  }
}

TEST(SyntheticTest, EveryFormatHoldsWeightsAsSmallAsWideModelsHave) {
  constexpr uint32_t kColumns = 53248;  // of Llama 3.1 405B's widest rows
  const float most = std::sqrt(3.0F / kColumns);
  const std::vector<float> weights = test::uniforms(kColumns, 3, -most, most);
  for (const quant::FormatInfo& info : quant::formats()) {
    std::vector<std::byte> blocks(quant::bytes_for(info.format, kColumns));
    quant::encode(info.format, weights, blocks);
    std::vector<float> held(kColumns);
    quant::decode(info.format, blocks, std::span(held));
    double squares = 0;
    for (const float weight : held) squares += double{weight} * weight;
    EXPECT_NEAR(squares, 1, 0.25) << info.name;  // also false where one is not finite
  }
}

TEST(SyntheticTest, FormatsAreSpreadOverTheLayers) {
  plan::ModelShape shape = tiny_shape(6, Format::kF16);
  tensor(shape, "blk.N.ffn_down.weight").count = 4;
  plan::TensorShape finer = tensor(shape, "blk.N.ffn_down.weight");
  finer.count = 2;
  finer.format = format_of(Format::kQ8_0);
  shape.tensors.push_back(finer);
  tensor(shape, "blk.N.attn_v.weight").format = format_of(Format::kQ8_0);
  const Weights made = synthesize(shape, test::device(), {});
  std::string formats;
  for (const LayerWeights& layer : made.layers) {
    formats += layer.down.format == Format::kQ8_0 ? 'q' : 'h';
    EXPECT_EQ(layer.qkv.parts.size(), 3U) << "formats differ";
    EXPECT_EQ(layer.gate_up.parts.size(), 1U);
  }
  EXPECT_EQ(formats, "hqhhqh");
}

TEST(SyntheticTest, SpecsComeFromShapes) {
  plan::ModelShape shape = tiny_shape(2, Format::kF16);
  shape.architecture = "qwen3";
  shape.rope_base = 1e6;
  for (plan::LayerShape& layer : shape.layers) layer.qk_norm = true;
  const ModelSpec spec = spec_of(shape);
  EXPECT_TRUE(spec.rope.neox);
  EXPECT_EQ(spec.rope.rotated, 16U);
  EXPECT_EQ(spec.rope.base, 1e6);
  EXPECT_TRUE(spec.layers.at(1).qk_norm);
  EXPECT_EQ(spec.layers.at(1).ffn, 96U);
  EXPECT_FALSE(spec_of(tiny_shape(1, Format::kF16)).rope.neox);
}

TEST(SyntheticTest, RefusesWhatCannotBeComputed) {
  const uint64_t before = test::device().memory().used(vulkan::Purpose::kWeights);
  plan::ModelShape shape = tiny_shape(2, Format::kF16);
  tensor(shape, "blk.N.ffn_up.weight").format = {"IQ1_S", 1.5625, std::nullopt};
  expect_error(ErrorKind::kUnsupported, {"IQ1_S", "Q4_K", "BF16"},
               [&] { synthesize(shape, test::device(), {}); });
  shape = tiny_shape(2, Format::kF16);
  shape.layers[1].experts = 8;
  expect_error(ErrorKind::kUnsupported, {"tiny", "mixture of experts"}, [&] { demand_computable(shape); });
  shape = tiny_shape(2, Format::kF16);
  shape.architecture = "mamba";
  expect_error(ErrorKind::kUnsupported, {"mamba", "llama"}, [&] { demand_computable(shape); });
  EXPECT_EQ(test::device().memory().used(vulkan::Purpose::kWeights), before);
}

TEST(SyntheticTest, CanBeCancelled) {
  const uint64_t before = test::device().memory().used(vulkan::Purpose::kWeights);
  expect_error(ErrorKind::kUsage, {"cancelled"}, [] {
    synthesize(tiny_shape(2, Format::kF32), test::device(),
               [](uint64_t done, uint64_t total) { return done < total / 2; });
  });
  EXPECT_EQ(test::device().memory().used(vulkan::Purpose::kWeights), before);
}

}  // namespace
}  // namespace caldera::model
