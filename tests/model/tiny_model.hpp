// A model of a few thousand weights, written to a file with whatever a test changes about it.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "gguf/expect_error.hpp"
#include "gguf/file.hpp"
#include "gguf/temporary_folder.hpp"
#include "gguf/writer.hpp"
#include "quant/format.hpp"
#include "support/random.hpp"

namespace caldera::model {

using gguf::expect_error;
using quant::Format;

/// Two layers of 64 with 4 heads over 2, as an architecture of the common reading.
struct TinyModel {
  using Value = std::variant<uint32_t, float, std::string, std::vector<int32_t>>;
  struct Shape {
    Format format = Format::kF32;
    std::vector<uint64_t> shape;  ///< row length first
  };

  explicit TinyModel(const std::string& name = "llama") : architecture(name) {
    key("embedding_length", 64U);
    key("context_length", 512U);
    key("block_count", 2U);
    key("attention.head_count", 4U);
    key("attention.head_count_kv", 2U);
    key("feed_forward_length", 96U);
    key("attention.layer_norm_rms_epsilon", 1e-5F);
    tensors["token_embd.weight"] = {Format::kF32, {64, 48}};
    tensors["output_norm.weight"] = {Format::kF32, {64}};
    for (const std::string prefix : {"blk.0.", "blk.1."}) {
      tensors[prefix + "attn_norm.weight"] = {Format::kF32, {64}};
      tensors[prefix + "attn_q.weight"] = {Format::kF32, {64, 64}};
      tensors[prefix + "attn_k.weight"] = {Format::kF32, {64, 32}};
      tensors[prefix + "attn_v.weight"] = {Format::kF32, {64, 32}};
      tensors[prefix + "attn_output.weight"] = {Format::kF32, {64, 64}};
      tensors[prefix + "ffn_norm.weight"] = {Format::kF32, {64}};
      tensors[prefix + "ffn_gate.weight"] = {Format::kF32, {64, 96}};
      tensors[prefix + "ffn_up.weight"] = {Format::kF32, {64, 96}};
      tensors[prefix + "ffn_down.weight"] = {Format::kF32, {96, 64}};
    }
  }

  /// Sets a key below the architecture's name.
  TinyModel& key(const std::string& name, Value value) {
    keys[architecture + "." + name] = std::move(value);
    return *this;
  }
  TinyModel& without(const std::string& name) {
    keys.erase(architecture + "." + name);
    return *this;
  }

  /// What a tensor holds before it is encoded: random, the same for the same name.
  std::vector<float> values(const std::string& name) const {
    uint64_t elements = 1;
    for (const uint64_t length : tensors.at(name).shape) elements *= length;
    uint32_t seed = 1;
    for (const char c : name) seed = seed * 31 + static_cast<unsigned char>(c);
    return test::uniforms(elements, seed, 0.5F, 1.5F);
  }

  gguf::File open() const {
    gguf::Writer writer;
    writer.set("general.architecture", architecture);
    for (const auto& [name, value] : keys) {
      std::visit([&, &key = name](const auto& of) { writer.set(key, of); }, value);
    }
    for (const auto& [name, tensor] : tensors) {
      const std::vector<float> source = fixed.contains(name) ? fixed.at(name) : values(name);
      std::vector<std::byte> data(quant::bytes_for(tensor.format, source.size()));
      quant::encode(tensor.format, source, data);
      writer.add(name, tensor.format, tensor.shape, std::move(data));
    }
    const gguf::TemporaryFolder folder;  // the opened file outlives its name
    return gguf::File::open(writer.write(folder.path() / "tiny.gguf"));
  }

  std::string architecture;
  std::map<std::string, Value> keys;
  std::map<std::string, Shape> tensors;
  std::map<std::string, std::vector<float>> fixed;  ///< values that are not random
};

}  // namespace caldera::model
