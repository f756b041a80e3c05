#include "model/weights.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "caldera/error.hpp"

namespace caldera::model {
namespace {

/// How much of the file is in host memory at a time.
constexpr uint64_t kPieceBytes = uint64_t{4} << 20;

/// How the rows of several tensors become the rows of one matrix.
enum class Order { kConcatenated, kInterleaved };

/// The layout of a tensor's rows. Errors: kUnsupported, naming the tensor.
quant::RowLayout layout_of(const gguf::Tensor& tensor) {
  try {
    return quant::row_layout(tensor.format(), tensor.columns());
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("tensor {}: {}", tensor.name, error.what()));
  }
}

/// Whether a loader moves data, or only looks whether it could: a model of 80 GB is refused before it is
/// read.
enum class Pass { kCheck, kLoad };

class Loader {
 public:
  Loader(const gguf::File& file, vulkan::Device& device, const LoadCallback& progress, Pass pass)
      : file_(file), device_(device), progress_(progress), pass_(pass) {
    for (const gguf::Tensor& tensor : file.tensors()) total_ += tensor.bytes;
  }

  /// A tensor that must be there, of `rows` by `columns`.
  const gguf::Tensor& matrix_tensor(const std::string& name, uint64_t rows, uint64_t columns) {
    const gguf::Tensor* tensor = optional_tensor(name);
    if (tensor == nullptr) throw Error(ErrorKind::kFormat, fmt::format("the model has no tensor {}", name));
    if (tensor->columns() != columns || tensor->rows() != rows) {
      throw Error(ErrorKind::kFormat, fmt::format("tensor {} is {} and should be {} by {}", name,
                                                  fmt::join(tensor->shape, " by "), columns, rows));
    }
    return *tensor;
  }

  const gguf::Tensor* optional_tensor(const std::string& name) {
    const gguf::Tensor* tensor = file_.find(name);
    if (tensor != nullptr) used_.insert(name);
    return tensor;
  }

  /// Tensors of one format as one matrix.
  kernels::Matrix place(const std::vector<const gguf::Tensor*>& tensors, Order order) {
    kernels::Matrix matrix;
    matrix.format = tensors[0]->format();
    matrix.columns = static_cast<uint32_t>(tensors[0]->columns());
    uint64_t rows = 0;
    for (const gguf::Tensor* tensor : tensors) rows += tensor->rows();
    matrix.rows = static_cast<uint32_t>(rows);
    matrix.layout = layout_of(*tensors[0]);
    // As many segments as the largest allocation asks for; an even number of rows keeps gate and up together.
    const uint64_t most_rows =
        std::max<uint64_t>(2, device_.memory().max_allocation() / matrix.layout.row_bytes / 2 * 2);
    for (uint64_t first = 0; first < rows; first += most_rows) {
      const uint64_t count = std::min(most_rows, rows - first);
      if (pass_ == Pass::kCheck) {
        sizes_.push_back(count * matrix.layout.row_bytes);
        continue;
      }
      vulkan::Allocation memory =
          device_.memory().allocate(count * matrix.layout.row_bytes, vulkan::Residency::kDevice,
                                    vulkan::Purpose::kWeights, "tensor " + tensors[0]->name);
      matrix.segments.push_back(
          {memory.address(), static_cast<uint32_t>(first), static_cast<uint32_t>(count)});
      fill(matrix, tensors, order, first, count, memory);
      memory_.push_back(std::move(memory));
    }
    return matrix;
  }

  kernels::Matrix place(const gguf::Tensor& tensor) { return place({&tensor}, Order::kConcatenated); }

  /// As one matrix if the formats agree, else in parts.
  Joined join(const std::vector<const gguf::Tensor*>& tensors, Order order) {
    Joined joined;
    const bool same = std::all_of(tensors.begin(), tensors.end(), [&](const gguf::Tensor* tensor) {
      return tensor->type == tensors[0]->type;
    });
    if (same) {
      joined.parts.push_back(place(tensors, order));
    } else {
      for (const gguf::Tensor* tensor : tensors) joined.parts.push_back(place(*tensor));
    }
    return joined;
  }

  /// A vector as floats in host memory.
  std::vector<float> read_vector(const std::string& name, uint64_t length) {
    const gguf::Tensor& tensor = matrix_tensor(name, 1, length);
    std::vector<float> values(length);
    if (pass_ == Pass::kCheck) return values;
    std::vector<std::byte> bytes(tensor.bytes);
    file_.read(tensor, 0, bytes);
    quant::decode(tensor.format(), bytes, std::span(values));
    advance(tensor.bytes);
    return values;
  }

  uint64_t place_vector(const std::vector<float>& values, const std::string& what) {
    if (pass_ == Pass::kCheck) {
      sizes_.push_back(values.size() * sizeof(float));
      return 0;
    }
    vulkan::Allocation memory = device_.memory().allocate(
        values.size() * sizeof(float), vulkan::Residency::kDevice, vulkan::Purpose::kWeights, what);
    device_.upload(memory, 0, std::as_bytes(std::span(values)));
    memory_.push_back(std::move(memory));
    return memory_.back().address();
  }

  uint64_t place_vector(const std::string& name, uint64_t length) {
    return place_vector(read_vector(name, length), "tensor " + name);
  }

  /// A tensor nobody asked for means that the model computes something we would leave out.
  void demand_all_used() const {
    for (const gguf::Tensor& tensor : file_.tensors()) {
      if (!used_.contains(tensor.name)) {
        throw Error(ErrorKind::kUnsupported,
                    fmt::format("the model has a tensor {} that this version does not know what to do with",
                                tensor.name));
      }
    }
  }

  std::vector<vulkan::Allocation> take_memory() { return std::move(memory_); }
  /// What will be allocated, in order; after a check.
  const std::vector<uint64_t>& sizes() const { return sizes_; }

 private:
  void advance(uint64_t bytes) {
    done_ += bytes;
    if (progress_ && !progress_(done_, total_)) throw Error(ErrorKind::kUsage, "loading was cancelled");
  }

  /// Fills rows [first, first + count) of `matrix`, which lie in `memory`, piece by piece.
  void fill(const kernels::Matrix& matrix, const std::vector<const gguf::Tensor*>& tensors, Order order,
            uint64_t first, uint64_t count, const vulkan::Allocation& memory) {
    const uint64_t row_bytes = matrix.layout.row_bytes;
    const uint64_t piece_rows = std::max<uint64_t>(2, kPieceBytes / row_bytes / 2 * 2);
    std::vector<std::byte> piece(piece_rows * row_bytes);
    for (uint64_t row = first; row < first + count; row += piece_rows) {
      const uint64_t rows = std::min(piece_rows, first + count - row);
      uint64_t start = 0;  // row of the matrix where the current tensor starts
      for (size_t t = 0; t < tensors.size(); ++t) {
        if (order == Order::kInterleaved) {
          pack(*tensors[t], row / tensors.size(), rows / tensors.size(), piece.data() + t * row_bytes,
               row_bytes * tensors.size(), row_bytes);
          continue;
        }
        const uint64_t low = std::max(row, start);
        const uint64_t high = std::min(row + rows, start + tensors[t]->rows());
        if (low < high) {
          pack(*tensors[t], low - start, high - low, piece.data() + (low - row) * row_bytes, row_bytes,
               row_bytes);
        }
        start += tensors[t]->rows();
      }
      device_.upload(memory, (row - first) * row_bytes, std::span(piece).first(rows * row_bytes));
    }
  }

  /// Reads rows of a tensor and packs them to `out`, `stride` bytes apart.
  void pack(const gguf::Tensor& tensor, uint64_t row, uint64_t rows, std::byte* out, uint64_t stride,
            uint64_t row_bytes) {
    const uint64_t file_row = quant::bytes_for(tensor.format(), tensor.columns());
    raw_.resize(rows * file_row);
    file_.read(tensor, row * file_row, raw_);
    if (stride == row_bytes) {
      quant::pack_rows(tensor.format(), tensor.columns(), rows, raw_, {out, rows * row_bytes});
    } else {
      for (uint64_t r = 0; r < rows; ++r) {
        quant::pack_rows(tensor.format(), tensor.columns(), 1,
                         std::span(raw_).subspan(r * file_row, file_row), {out + r * stride, row_bytes});
      }
    }
    advance(raw_.size());
  }

  const gguf::File& file_;
  vulkan::Device& device_;
  const LoadCallback& progress_;
  Pass pass_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  std::set<std::string, std::less<>> used_;
  std::vector<std::byte> raw_;
  std::vector<uint64_t> sizes_;
  std::vector<vulkan::Allocation> memory_;
};

LayerWeights load_layer(Loader& loader, const ModelSpec& spec, uint32_t index) {
  const LayerSpec& layer = spec.layers[index];
  const std::string prefix = fmt::format("blk.{}.", index);
  const uint64_t q_rows = uint64_t{layer.heads} * layer.head;
  const uint64_t kv_rows = uint64_t{layer.kv_heads} * layer.head;
  LayerWeights weights;
  weights.attention_norm = loader.place_vector(prefix + "attn_norm.weight", spec.width);
  weights.qkv = loader.join({&loader.matrix_tensor(prefix + "attn_q.weight", q_rows, spec.width),
                             &loader.matrix_tensor(prefix + "attn_k.weight", kv_rows, spec.width),
                             &loader.matrix_tensor(prefix + "attn_v.weight", kv_rows, spec.width)},
                            Order::kConcatenated);
  if (loader.optional_tensor(prefix + "attn_q.bias") != nullptr) {
    std::vector<float> bias = loader.read_vector(prefix + "attn_q.bias", q_rows);
    for (const char* name : {"attn_k.bias", "attn_v.bias"}) {
      const std::vector<float> more = loader.read_vector(prefix + name, kv_rows);
      bias.insert(bias.end(), more.begin(), more.end());
    }
    weights.qkv.bias = loader.place_vector(bias, "the biases of " + prefix + "attn_qkv");
  }
  if (layer.qk_norm) {
    weights.query_norm = loader.place_vector(prefix + "attn_q_norm.weight", layer.head);
    weights.key_norm = loader.place_vector(prefix + "attn_k_norm.weight", layer.head);
  }
  weights.attention_output =
      loader.place(loader.matrix_tensor(prefix + "attn_output.weight", spec.width, q_rows));
  if (loader.optional_tensor(prefix + "attn_output.bias") != nullptr) {
    weights.attention_output_bias = loader.place_vector(prefix + "attn_output.bias", spec.width);
  }
  weights.ffn_norm = loader.place_vector(prefix + "ffn_norm.weight", spec.width);
  weights.gate_up = loader.join({&loader.matrix_tensor(prefix + "ffn_gate.weight", layer.ffn, spec.width),
                                 &loader.matrix_tensor(prefix + "ffn_up.weight", layer.ffn, spec.width)},
                                Order::kInterleaved);
  weights.down = loader.place(loader.matrix_tensor(prefix + "ffn_down.weight", spec.width, layer.ffn));
  return weights;
}

/// Everything the model needs, by name and shape, in the order of computing.
Weights visit(Loader& loader, const ModelSpec& spec) {
  Weights weights;
  weights.embedding = loader.place(loader.matrix_tensor("token_embd.weight", spec.vocabulary, spec.width));
  if (loader.optional_tensor("rope_freqs.weight") != nullptr) {
    weights.rope_factors = loader.read_vector("rope_freqs.weight", spec.rope.rotated / 2);
  }
  for (uint32_t i = 0; i < spec.layers.size(); ++i) weights.layers.push_back(load_layer(loader, spec, i));
  weights.output_norm = loader.place_vector("output_norm.weight", spec.width);
  if (loader.optional_tensor("output.weight") != nullptr) {
    weights.output_matrix = loader.place(loader.matrix_tensor("output.weight", spec.vocabulary, spec.width));
  }
  return weights;
}

}  // namespace

Weights load_weights(const gguf::File& file, const ModelSpec& spec, vulkan::Device& device,
                     const LoadCallback& progress) {
  for (const gguf::Tensor& tensor : file.tensors()) static_cast<void>(tensor.format());
  Loader check(file, device, progress, Pass::kCheck);
  visit(check, spec);
  check.demand_all_used();

  Loader loader(file, device, progress, Pass::kLoad);
  device.memory().expect(check.sizes());
  Weights weights = visit(loader, spec);
  device.memory().expect({});
  for (const float factor : weights.rope_factors) {
    if (!(factor > 0)) {
      throw Error(ErrorKind::kFormat, "rope_freqs.weight has a factor that is not positive");
    }
  }
  for (const gguf::Tensor& tensor : file.tensors()) weights.parameters += tensor.elements();
  weights.memory = loader.take_memory();
  return weights;
}

}  // namespace caldera::model
