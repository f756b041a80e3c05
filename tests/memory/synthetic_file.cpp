#include "memory/synthetic_file.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gguf/file.hpp"
#include "gguf/temporary_folder.hpp"
#include "gguf/writer.hpp"
#include "support/random.hpp"

namespace caldera::test {
namespace {

/// A prime, so that tensors of a round number of rows do not meet again at the same row.
constexpr uint64_t kRows = 509;

/// Encoded rows that matrices of one width are made of.
struct RandomRows {
  std::vector<std::byte> data;
  uint64_t row_bytes;

  RandomRows(quant::Format format, uint64_t columns, float limit)
      : data(quant::bytes_for(format, kRows * columns)), row_bytes(quant::bytes_for(format, columns)) {
    const auto values = uniforms(kRows * columns, static_cast<uint32_t>(columns), -limit, limit);
    quant::encode(format, values, data);
  }

  /// Bytes from `offset` on of a matrix that begins with row `first`.
  void copy(uint64_t first, uint64_t offset, std::span<std::byte> out) const {
    uint64_t at = (first * row_bytes + offset) % data.size();
    for (size_t done = 0; done < out.size();) {
      const size_t bytes = std::min<size_t>(out.size() - done, data.size() - at);
      std::memcpy(out.data() + done, data.data() + at, bytes);
      done += bytes;
      at = 0;
    }
  }
};

class ModelWriter {
 public:
  explicit ModelWriter(const SyntheticFile& model) : model_(model) {}

  void set_metadata() {
    writer_.set("general.architecture", "llama");
    writer_.set("general.name", "synthetic");
    writer_.set("llama.block_count", model_.layers);
    writer_.set("llama.context_length", model_.context);
    writer_.set("llama.embedding_length", model_.width);
    writer_.set("llama.feed_forward_length", model_.ffn);
    writer_.set("llama.attention.head_count", model_.heads);
    writer_.set("llama.attention.head_count_kv", model_.kv_heads);
    writer_.set("llama.attention.key_length", model_.head);
    writer_.set("llama.attention.value_length", model_.head);
    writer_.set("llama.attention.layer_norm_rms_epsilon", 1e-5F);
    writer_.set("llama.rope.dimension_count", model_.head);
    set_tokenizer();
  }

  void add_tensors() {
    // A loud embedding, so that the tokens drawn depend on those before them through many layers.
    matrix("token_embd.weight", vocabulary_, model_.width, 4.0F);
    for (uint32_t i = 0; i < model_.layers; ++i) add_layer("blk." + std::to_string(i) + ".");
    norm("output_norm.weight");
    if (!model_.tied) matrix("output.weight", vocabulary_, model_.width);
  }

  std::filesystem::path write(const std::filesystem::path& path, uint32_t splits) const {
    return writer_.write(path, splits);
  }

 private:
  /// That of the tiny models: bytes, a few merges, control tokens.
  void set_tokenizer() {
    const gguf::File tiny = gguf::File::open(CALDERA_TEST_DATA "/model/tiny_llama3.gguf");
    const gguf::Metadata& from = tiny.metadata();
    for (const char* key : {"tokenizer.ggml.model", "tokenizer.ggml.pre"})
      writer_.set(key, std::string(from.required_string(key)));
    for (const char* key : {"tokenizer.ggml.tokens", "tokenizer.ggml.merges"})
      writer_.set(key, *from.strings(key));
    for (const char* key : {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"})
      writer_.set(key, static_cast<uint32_t>(from.required_integer(key)));
    const std::vector<int64_t> types = from.integers("tokenizer.ggml.token_type").value();
    writer_.set("tokenizer.ggml.token_type", std::vector<int32_t>(types.begin(), types.end()));
    writer_.set("tokenizer.ggml.add_bos_token", false);
    vocabulary_ = from.strings("tokenizer.ggml.tokens")->size();
  }

  void add_layer(const std::string& prefix) {
    const uint64_t queries = uint64_t{model_.heads} * model_.head;
    const uint64_t keys = uint64_t{model_.kv_heads} * model_.head;
    norm(prefix + "attn_norm.weight");
    matrix(prefix + "attn_q.weight", queries, model_.width);
    matrix(prefix + "attn_k.weight", keys, model_.width);
    matrix(prefix + "attn_v.weight", keys, model_.width);
    matrix(prefix + "attn_output.weight", model_.width, queries);
    norm(prefix + "ffn_norm.weight");
    matrix(prefix + "ffn_gate.weight", model_.ffn, model_.width);
    matrix(prefix + "ffn_up.weight", model_.ffn, model_.width);
    matrix(prefix + "ffn_down.weight", model_.width, model_.ffn);
  }

  void norm(const std::string& name) {
    const std::vector<float> ones(model_.width, 1.0F);
    const auto bytes = std::as_bytes(std::span(ones));
    writer_.add(name, quant::Format::kF32, {model_.width}, std::vector(bytes.begin(), bytes.end()));
  }

  /// `gain`: standard deviation of what a row makes of inputs of 1, if not 1.
  void matrix(const std::string& name, uint64_t rows, uint64_t columns, float gain = 1) {
    const float limit = gain * std::sqrt(3.0F / static_cast<float>(columns));
    std::shared_ptr<RandomRows>& source = sources_[{columns, gain}];
    if (source == nullptr) source = std::make_shared<RandomRows>(model_.format, columns, limit);
    const uint64_t first = next_;
    next_ = (next_ + 101) % kRows;
    writer_.add(
        name, model_.format, {columns, rows},
        [source, first](uint64_t offset, std::span<std::byte> out) { source->copy(first, offset, out); });
  }

  const SyntheticFile& model_;
  gguf::Writer writer_;
  uint64_t vocabulary_ = 0;
  uint64_t next_ = 0;  ///< the row that the next matrix begins with
  std::map<std::pair<uint64_t, float>, std::shared_ptr<RandomRows>> sources_;
};

}  // namespace

std::filesystem::path write_synthetic(const SyntheticFile& model, const std::filesystem::path& path,
                                      uint32_t splits) {
  ModelWriter writer(model);
  writer.set_metadata();
  writer.add_tensors();
  return writer.write(path, splits);
}

const std::filesystem::path& many_layers_file() {
  static const gguf::TemporaryFolder folder;
  static const std::filesystem::path path = write_synthetic(kManyLayers, folder.path() / "many-layers.gguf");
  return path;
}

}  // namespace caldera::test
