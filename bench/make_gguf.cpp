// Writes a model of random weights as a file, to time loading with: make_gguf SHAPE:FORMAT OUT.gguf
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "caldera/error.hpp"
#include "gguf/writer.hpp"
#include "model/synthetic.hpp"
#include "plan/families.hpp"
#include "text/bpe_bytes.hpp"

namespace {

using namespace caldera;

/// Rows of random weights, repeated as often as a tensor needs them.
class Pattern {
 public:
  Pattern(quant::Format format, uint64_t columns, uint32_t seed) {
    const uint64_t row_bytes = quant::bytes_for(format, columns);
    bytes_ = model::random_rows(format, columns, (uint64_t{1} << 20) / row_bytes + 3, seed);
  }
  void copy(uint64_t offset, std::span<std::byte> out) const {
    for (size_t done = 0; done < out.size();) {
      const size_t at = (offset + done) % bytes_.size();
      const size_t count = std::min(out.size() - done, bytes_.size() - at);
      std::memcpy(out.data() + done, bytes_.data() + at, count);
      done += count;
    }
  }

 private:
  std::vector<std::byte> bytes_;
};

void set_metadata(gguf::Writer& writer, const plan::ModelShape& shape) {
  const plan::LayerShape& layer = shape.layers.front();
  const std::string arch = shape.architecture;
  writer.set("general.architecture", arch);
  writer.set("general.name", shape.name);
  writer.set(arch + ".block_count", static_cast<uint32_t>(shape.layers.size()));
  writer.set(arch + ".embedding_length", shape.width);
  writer.set(arch + ".feed_forward_length", layer.ffn);
  writer.set(arch + ".context_length", shape.context);
  writer.set(arch + ".attention.head_count", layer.heads);
  writer.set(arch + ".attention.head_count_kv", layer.kv_heads);
  writer.set(arch + ".attention.key_length", layer.head);
  writer.set(arch + ".attention.value_length", layer.head);
  writer.set(arch + ".attention.layer_norm_rms_epsilon", static_cast<float>(shape.norm_epsilon));
  writer.set(arch + ".rope.freq_base", static_cast<float>(shape.rope_base));
  // A tokenizer of bytes, and of words that no text has: what a model of random weights says has no meaning
  // anyway, but a server shall have a text for each of its tokens.
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(text::byte_spelling(static_cast<uint8_t>(byte)));
  tokens.insert(tokens.end(), {"he", "<|end|>"});
  const size_t end = tokens.size() - 1;
  while (tokens.size() < shape.vocabulary) tokens.push_back(fmt::format("word{}", tokens.size()));
  std::vector<int32_t> types(tokens.size(), 1);
  types[end] = 3;
  writer.set("tokenizer.ggml.model", "gpt2");
  writer.set("tokenizer.ggml.pre", "gpt-2");
  writer.set("tokenizer.ggml.tokens", tokens);
  writer.set("tokenizer.ggml.token_type", types);
  writer.set("tokenizer.ggml.merges", std::vector<std::string>{"h e"});
  writer.set("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(end));
}

void make(const std::string& name, const std::string& path) {
  const plan::ModelShape shape = plan::shape_named(name);
  model::demand_computable(shape);
  gguf::Writer writer;
  set_metadata(writer, shape);
  std::map<std::pair<quant::Format, uint64_t>, Pattern> patterns;
  std::map<std::string, uint32_t> next_layer;
  for (const plan::TensorShape& tensor : shape.tensors) {
    const bool in_layers = tensor.name.starts_with("blk.N.");
    for (uint32_t i = 0; i < tensor.count; ++i) {
      const std::string full =
          in_layers ? fmt::format("blk.{}.{}", next_layer[tensor.name]++, tensor.name.substr(6))
                    : tensor.name;
      if (tensor.rows == 1) {
        const std::vector<float> ones(tensor.columns, 1.0F);
        const auto bytes = std::as_bytes(std::span(ones));
        writer.add(full, quant::Format::kF32, {tensor.columns}, {bytes.begin(), bytes.end()});
        continue;
      }
      const quant::Format format = *tensor.format.format;
      const auto [pattern, made] = patterns.try_emplace({format, tensor.columns}, format, tensor.columns,
                                                        static_cast<uint32_t>(patterns.size()));
      const Pattern* rows = &pattern->second;
      writer.add(full, format, {tensor.columns, tensor.rows},
                 [rows](uint64_t offset, std::span<std::byte> out) { rows->copy(offset, out); });
    }
  }
  writer.write(path);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: make_gguf SHAPE:FORMAT OUT.gguf\n");
    return 2;
  }
  try {
    make(argv[1], argv[2]);
  } catch (const Error& error) {
    std::fprintf(stderr, "make_gguf: %s\n", error.what());
    return error.exit_code();
  }
  return 0;
}
