#include "model/plan_shape.hpp"

#include <gtest/gtest.h>

#include "model/program.hpp"
#include "model/tiny_model.hpp"
#include "plan/footprint.hpp"

namespace caldera::model {
namespace {

using plan::KvFormat;
using plan::Part;

TEST(PlanShape, GathersTheTensorsOfAFile) {
  TinyModel tiny;
  tiny.tensors["blk.1.ffn_down.weight"].format = Format::kQ8_0;
  const gguf::File file = tiny.open();
  const plan::ModelShape shape = plan_shape(file);
  EXPECT_EQ(shape.architecture, "llama");
  EXPECT_EQ(shape.width, 64);
  EXPECT_EQ(shape.vocabulary, 48);
  EXPECT_TRUE(shape.tied);
  ASSERT_EQ(shape.layers.size(), 2);
  EXPECT_EQ(shape.layers[1].kv_heads, 2);
  EXPECT_EQ(plan::page_bytes(shape), page_bytes(read_spec(file)));

  uint64_t elements = 0;
  for (const gguf::Tensor& tensor : file.tensors()) elements += tensor.elements();
  EXPECT_EQ(plan::parameters(shape), elements);
  uint32_t down = 0;
  for (const plan::TensorShape& tensor : shape.tensors) {
    if (tensor.name == "blk.N.attn_q.weight") {
      EXPECT_EQ(tensor.count, 2);
    }
    if (tensor.name == "blk.N.ffn_down.weight") ++down;
    if (tensor.name == "output_norm.weight") {
      EXPECT_EQ(tensor.part, Part::kVectors);
    }
  }
  EXPECT_EQ(down, 2) << "one entry a format";
}

TEST(PlanShape, ReadsArchitecturesThatCannotBeRun) {
  TinyModel tiny("strange");
  tiny.key("expert_count", 8U).key("expert_used_count", 2U).key("expert_feed_forward_length", 32U);
  tiny.key("attention.key_length", 16U).key("attention.value_length", 32U);
  tiny.key("attention.head_count_kv", std::vector<int32_t>{2, 1});
  tiny.tensors["blk.0.ffn_gate_exps.weight"] = {Format::kF32, {64, 32, 8}};
  const plan::ModelShape shape = plan_shape(tiny.open());
  EXPECT_EQ(shape.architecture, "strange");
  EXPECT_EQ(shape.layers[0].experts_used, 2);
  EXPECT_EQ(shape.layers[0].ffn, 32);
  EXPECT_EQ(shape.layers[1].kv_heads, 1);
  // (16 + 32) of each KV head, three of which are in the two layers, in two bytes.
  EXPECT_EQ(plan::kv_bytes_per_token(shape, KvFormat::kF16), 48 * 3 * 2);
  EXPECT_EQ(plan::weight_bytes(shape).of(Part::kExperts), 64 * 32 * 8 * 4);
}

TEST(PlanShape, RefusesMetadataThatMakesNoSense) {
  const auto refused = [](TinyModel& tiny, const char* words) {
    expect_error(ErrorKind::kFormat, {words}, [&] { plan_shape(tiny.open()); });
  };
  TinyModel without("strange");
  refused(without.without("block_count"), "block_count");
  TinyModel zero("strange");
  refused(zero.key("attention.head_count", 0U), "are 0");
  TinyModel many("strange");
  refused(many.key("block_count", 1U << 31), "block_count");
  TinyModel empty("strange");
  refused(empty.key("attention.head_count_kv", std::vector<int32_t>{}), "empty array");
  TinyModel huge("strange");
  refused(huge.key("block_count", 4096U)
              .key("attention.head_count_kv", 65536U)
              .key("attention.key_length", 65536U),
          "4 GiB of each token");
}

}  // namespace
}  // namespace caldera::model
