// No tensor is too large for the device's limits on bindings (128 MiB on Mesa's software device) and
// allocations (2 GiB there): a model whose output matrix exceeds both computes what it should.
#include <gmock/gmock.h>
#include <unistd.h>

#include <cmath>
#include <cstring>

#include "engine/models.hpp"
#include "gguf/writer.hpp"

namespace caldera::test {
namespace {

constexpr uint32_t kWidth = 1024;
constexpr uint32_t kHead = 64;
constexpr uint32_t kFfn = 32;
/// 2.2 GiB of F32 rows.
constexpr uint32_t kVocabulary = 577'536;

/// Row r of the output matrix is all `output_value(r)`, so that every logit shows which row it came from.
float output_value(uint64_t row) {
  return static_cast<float>(static_cast<double>(row % 100'003) * 1e-5);
}

std::vector<std::byte> floats(uint64_t count, float value) {
  const std::vector<float> values(count, value);
  std::vector<std::byte> bytes(count * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::filesystem::path write_model(const std::filesystem::path& folder) {
  gguf::Writer writer;
  writer.set("general.architecture", "llama");
  writer.set("llama.block_count", 1U);
  writer.set("llama.context_length", 64U);
  writer.set("llama.embedding_length", kWidth);
  writer.set("llama.feed_forward_length", kFfn);
  writer.set("llama.attention.head_count", kWidth / kHead);
  writer.set("llama.attention.layer_norm_rms_epsilon", 1e-6F);
  writer.set("tokenizer.ggml.model", "gpt2");
  writer.set("tokenizer.ggml.pre", "gpt-2");
  writer.set("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"});
  writer.set("tokenizer.ggml.token_type", std::vector<int32_t>{1, 1});
  writer.set("tokenizer.ggml.merges", std::vector<std::string>{});
  const auto add = [&](const std::string& name, uint64_t columns, uint64_t rows, float value) {
    writer.add(name, quant::Format::kF32,
               rows == 0 ? std::vector<uint64_t>{columns} : std::vector<uint64_t>{columns, rows},
               floats(columns * std::max<uint64_t>(rows, 1), value));
  };
  // Layers that add nothing: the residual stream stays the embedding, and its norm is all ones.
  for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"}) {
    add(std::string("blk.0.") + name + ".weight", kWidth, kWidth, 0);
  }
  for (const char* name : {"ffn_gate", "ffn_up"})
    add(std::string("blk.0.") + name + ".weight", kWidth, kFfn, 0);
  add("blk.0.ffn_down.weight", kFfn, kWidth, 0);
  for (const char* name : {"blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight"}) {
    add(name, kWidth, 0, 1);
  }
  writer.add("token_embd.weight", quant::Format::kQ4_0, {kWidth, kVocabulary},
             [](uint64_t, std::span<std::byte> out) {
               // Blocks of scale 1 with all codes 9: every weight is 1.
               for (size_t i = 0; i < out.size(); ++i) {
                 const size_t at = i % 18;
                 out[i] = at == 0 ? std::byte{0x00} : at == 1 ? std::byte{0x3C} : std::byte{0x99};
               }
             });
  writer.add("output.weight", quant::Format::kF32, {kWidth, kVocabulary},
             [](uint64_t offset, std::span<std::byte> out) {
               for (size_t i = 0; i < out.size(); i += sizeof(float)) {
                 const float value = output_value((offset + i) / (kWidth * sizeof(float)));
                 std::memcpy(out.data() + i, &value, sizeof(value));
               }
             });
  return writer.write(folder / "large.gguf");
}

TEST(LargeTensor, IsReachedByAddressInPieces) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("caldera-large-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::filesystem::path path = write_model(folder);
  const auto model = load(path);
  std::filesystem::remove_all(folder);

  const DeviceInfo& device = model->device();
  const uint64_t bytes = uint64_t{kVocabulary} * kWidth * sizeof(float);
  RecordProperty("tensor_bytes", std::to_string(bytes));
  EXPECT_GT(bytes, uint64_t{2} << 30);
  if (device.type == "cpu") {
    EXPECT_GT(bytes, device.max_allocation_bytes);
    EXPECT_GT(bytes, device.max_storage_range_bytes);
  }
  Session session(model);
  session.append({{0, static_cast<Token>(kVocabulary - 1)}});
  const std::vector<float> logits = session.logits();
  ASSERT_EQ(logits.size(), kVocabulary);
  for (uint64_t row = 0; row < kVocabulary; ++row) {
    const double expected = kWidth * static_cast<double>(output_value(row));
    ASSERT_NEAR(logits[row], expected, 1e-3 * std::max(1.0, expected)) << "row " << row;
  }
  expect_valid(*model);
}

}  // namespace
}  // namespace caldera::test
