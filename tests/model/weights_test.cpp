// Loading: where rows end up, and which files are refused.
#include "model/weights.hpp"

#include <gtest/gtest.h>

#include "model/tiny_model.hpp"
#include "support/device.hpp"

namespace caldera::model {
namespace {

Weights load(const TinyModel& tiny, const LoadCallback& progress = {}) {
  const gguf::File file = tiny.open();
  return load_weights(file, read_spec(file), test::device(), progress);
}

void expect_refused(ErrorKind kind, std::initializer_list<std::string> said, const TinyModel& tiny) {
  const uint64_t before = test::device().memory().used(vulkan::Purpose::kWeights);
  expect_error(kind, said, [&] { load(tiny); });
  EXPECT_EQ(test::device().memory().used(vulkan::Purpose::kWeights), before);
}

/// `count` floats of device memory that a model's weights own.
std::vector<float> read(const Weights& weights, uint64_t address, size_t count) {
  for (const vulkan::Allocation& memory : weights.memory) {
    if (address < memory.address() || address >= memory.address() + memory.bytes()) continue;
    std::vector<float> values(count);
    test::device().download(memory, address - memory.address(), std::as_writable_bytes(std::span(values)));
    return values;
  }
  ADD_FAILURE() << "no memory of the weights lies at " << address;
  return {};
}

std::vector<float> read(const Weights& weights, const kernels::Matrix& matrix) {
  EXPECT_EQ(matrix.segments.size(), 1U);
  return read(weights, matrix.segments.at(0).address, size_t{matrix.rows} * matrix.columns);
}

std::vector<float> joined(const std::vector<std::vector<float>>& parts) {
  std::vector<float> all;
  for (const std::vector<float>& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

TEST(WeightsTest, AContextThatCannotFitIsRefusedFirst) {
  const TinyModel tiny;
  const gguf::File file = tiny.open();
  const uint64_t before = test::device().memory().reserved();
  expect_error(ErrorKind::kMemory, {"the context and the activations need", "ask for a smaller context"},
               [&] {
                 load_weights(file, read_spec(file), test::device(), {},
                              {.context_least = uint64_t{1} << 60, .context_wished = uint64_t{1} << 60});
               });
  EXPECT_EQ(test::device().memory().reserved(), before);
}

TEST(WeightsTest, EveryTensorHasItsPlace) {
  const TinyModel tiny;
  uint64_t most = 0;
  const Weights weights = load(tiny, [&](uint64_t done, uint64_t total) {
    EXPECT_GE(done, most);
    EXPECT_LE(done, total);
    most = done;
    return true;
  });
  EXPECT_EQ(read(weights, weights.embedding), tiny.values("token_embd.weight"));
  EXPECT_FALSE(weights.output_matrix.has_value());
  EXPECT_EQ(&weights.output(), &weights.embedding);
  EXPECT_EQ(read(weights, weights.output_norm, 64), tiny.values("output_norm.weight"));
  uint64_t parameters = 0;
  for (const auto& [name, tensor] : tiny.tensors) parameters += tiny.values(name).size();
  EXPECT_EQ(weights.parameters, parameters);
  EXPECT_EQ(most, parameters * sizeof(float));
  ASSERT_EQ(weights.layers.size(), 2U);
  for (uint32_t i = 0; i < 2; ++i) {
    const std::string prefix = "blk." + std::to_string(i) + ".";
    const LayerWeights& layer = weights.layers[i];
    ASSERT_EQ(layer.qkv.parts.size(), 1U);
    EXPECT_EQ(layer.qkv.bias, 0U);
    EXPECT_EQ(read(weights, layer.qkv.parts[0]),
              joined({tiny.values(prefix + "attn_q.weight"), tiny.values(prefix + "attn_k.weight"),
                      tiny.values(prefix + "attn_v.weight")}));
    EXPECT_EQ(read(weights, layer.attention_norm, 64), tiny.values(prefix + "attn_norm.weight"));
    EXPECT_EQ(read(weights, layer.attention_output), tiny.values(prefix + "attn_output.weight"));
    EXPECT_EQ(read(weights, layer.down), tiny.values(prefix + "ffn_down.weight"));
    // Gate and up rows alternate.
    ASSERT_EQ(layer.gate_up.parts.size(), 1U);
    const std::vector<float> rows = read(weights, layer.gate_up.parts[0]);
    const std::vector<float> gate = tiny.values(prefix + "ffn_gate.weight");
    const std::vector<float> up = tiny.values(prefix + "ffn_up.weight");
    for (uint32_t r = 0; r < 96; ++r) {
      for (uint32_t k = 0; k < 64; ++k) {
        ASSERT_EQ(rows[(2 * r) * 64 + k], gate[r * 64 + k]) << r;
        ASSERT_EQ(rows[(2 * r + 1) * 64 + k], up[r * 64 + k]) << r;
      }
    }
  }
}

TEST(WeightsTest, OptionalTensorsAreTaken) {
  TinyModel tiny("qwen3");
  tiny.tensors["output.weight"] = {Format::kF32, {64, 48}};
  tiny.tensors["rope_freqs.weight"] = {Format::kF32, {8}};
  for (const std::string prefix : {"blk.0.", "blk.1."}) {
    tiny.tensors[prefix + "attn_q.bias"] = {Format::kF32, {64}};
    tiny.tensors[prefix + "attn_k.bias"] = {Format::kF32, {32}};
    tiny.tensors[prefix + "attn_v.bias"] = {Format::kF32, {32}};
    tiny.tensors[prefix + "attn_output.bias"] = {Format::kF32, {64}};
    tiny.tensors[prefix + "attn_q_norm.weight"] = {Format::kF32, {16}};
    tiny.tensors[prefix + "attn_k_norm.weight"] = {Format::kF16, {16}};
  }
  const Weights weights = load(tiny);
  EXPECT_EQ(weights.rope_factors, tiny.values("rope_freqs.weight"));
  EXPECT_EQ(read(weights, weights.output()), tiny.values("output.weight"));
  EXPECT_EQ(read(weights, weights.layers[1].qkv.bias, 128),
            joined({tiny.values("blk.1.attn_q.bias"), tiny.values("blk.1.attn_k.bias"),
                    tiny.values("blk.1.attn_v.bias")}));
  EXPECT_EQ(read(weights, weights.layers[0].attention_output_bias, 64),
            tiny.values("blk.0.attn_output.bias"));
  EXPECT_EQ(read(weights, weights.layers[0].query_norm, 16), tiny.values("blk.0.attn_q_norm.weight"));
  EXPECT_NE(weights.layers[0].key_norm, 0U);
}

TEST(WeightsTest, FormatsThatDifferStayApart) {
  TinyModel tiny;
  tiny.tensors["blk.0.attn_v.weight"].format = Format::kQ8_0;
  tiny.tensors["blk.1.ffn_gate.weight"].format = Format::kF16;
  const Weights weights = load(tiny);
  ASSERT_EQ(weights.layers[0].qkv.parts.size(), 3U);
  EXPECT_EQ(weights.layers[0].qkv.parts[2].format, Format::kQ8_0);
  EXPECT_EQ(read(weights, weights.layers[0].qkv.parts[1]), tiny.values("blk.0.attn_k.weight"));
  EXPECT_EQ(weights.layers[1].qkv.parts.size(), 1U);
  EXPECT_EQ(weights.layers[0].gate_up.parts.size(), 1U);
  ASSERT_EQ(weights.layers[1].gate_up.parts.size(), 2U);
  EXPECT_EQ(read(weights, weights.layers[1].gate_up.parts[1]), tiny.values("blk.1.ffn_up.weight"));
}

TEST(WeightsTest, NamesWhatIsMissing) {
  const TinyModel whole;
  for (const auto& [name, tensor] : whole.tensors) {
    if (name == "token_embd.weight") continue;  // read_spec's to find
    TinyModel tiny;
    tiny.tensors.erase(name);
    expect_refused(ErrorKind::kFormat, {name}, tiny);
  }
}

TEST(WeightsTest, NamesWhatHasTheWrongShape) {
  const TinyModel whole;
  for (const auto& [name, tensor] : whole.tensors) {
    if (name == "token_embd.weight") continue;
    TinyModel tiny;
    tiny.tensors[name].shape.back() += 32;
    expect_refused(ErrorKind::kFormat, {name}, tiny);
    tiny = TinyModel();
    tiny.tensors[name].shape[0] *= 2;
    expect_refused(ErrorKind::kFormat, {name}, tiny);
  }
}

TEST(WeightsTest, RefusesWhatItWouldHaveToIgnore) {
  TinyModel tiny;
  tiny.tensors["blk.0.attn_sinks.weight"] = {Format::kF32, {4}};
  expect_refused(ErrorKind::kUnsupported, {"blk.0.attn_sinks.weight"}, tiny);
}

TEST(WeightsTest, NamesATensorOfImpossibleWidth) {
  TinyModel tiny;
  tiny.key("feed_forward_length", 80U);
  for (const std::string prefix : {"blk.0.", "blk.1."}) {
    tiny.tensors[prefix + "ffn_gate.weight"].shape = {64, 80};
    tiny.tensors[prefix + "ffn_up.weight"].shape = {64, 80};
    tiny.tensors[prefix + "ffn_down.weight"].shape = {80, 64};
  }
  expect_refused(ErrorKind::kUnsupported, {"ffn_down.weight", "80"}, tiny);
}

TEST(WeightsTest, RefusesRopeFactorsThatDivideByNothing) {
  for (const float factor : {0.0F, -1.0F, NAN}) {
    TinyModel tiny;
    tiny.tensors["rope_freqs.weight"] = {Format::kF32, {8}};
    tiny.fixed["rope_freqs.weight"] = {1, 1, 1, 1, 1, 1, 1, factor};
    expect_refused(ErrorKind::kFormat, {"rope_freqs.weight"}, tiny);
  }
}

TEST(WeightsTest, CanBeCancelled) {
  const uint64_t before = test::device().memory().used(vulkan::Purpose::kWeights);
  expect_error(ErrorKind::kUsage, {"cancelled"},
               [] { load(TinyModel(), [](uint64_t done, uint64_t total) { return done < total / 2; }); });
  EXPECT_EQ(test::device().memory().used(vulkan::Purpose::kWeights), before);
}

}  // namespace
}  // namespace caldera::model
