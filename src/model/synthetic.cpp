#include "model/synthetic.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <utility>

#include "caldera/error.hpp"
#include "model/spec.hpp"
#include "quant/resident.hpp"
#include "vulkan/recording.hpp"

namespace caldera::model {
namespace {

/// Rows of a pattern, in the resident layout: enough for the rows of one matrix to differ, and made in a
/// moment.
constexpr uint64_t kPatternBytes = uint64_t{2} << 20;
/// What one submission copies at most: no device is kept busy for long.
constexpr uint64_t kCopyBytes = uint64_t{1} << 30;

/// Rows of random weights in the file's layout, of variance 1 / columns.
std::vector<std::byte> random_rows(quant::Format format, uint64_t columns, uint64_t rows, uint32_t seed) {
  std::mt19937 random(seed);
  // Uniform numbers in (-w, w) have variance w^2 / 3.
  const float width = std::sqrt(3.0F / static_cast<float>(columns));
  std::vector<float> row(columns);
  const uint64_t row_bytes = quant::bytes_for(format, columns);
  std::vector<std::byte> bytes(rows * row_bytes);
  for (uint64_t r = 0; r < rows; ++r) {
    for (float& weight : row) {
      weight = width * (static_cast<float>(random() >> 8) * 0x1p-23F - 1.0F);
    }
    quant::encode(format, row, std::span(bytes).subspan(r * row_bytes, row_bytes));
  }
  return bytes;
}

quant::Format computable(const plan::WeightFormat& format) {
  if (format.format) return *format.format;
  std::vector<std::string_view> names;
  for (const quant::FormatInfo& one : quant::formats()) names.push_back(one.name);
  throw Error(ErrorKind::kUnsupported, fmt::format("{} can be planned for, and not computed with yet: {} can",
                                                   format.name, fmt::join(names, ", ")));
}

/// The formats of each tensor, layer by layer.
class Formats {
 public:
  explicit Formats(const plan::ModelShape& shape) {
    for (const plan::TensorShape& tensor : shape.tensors) {
      by_name_[tensor.name].push_back({tensor.count, computable(tensor.format)});
    }
  }

  bool has(const std::string& name) const { return by_name_.contains(name); }

  /// The format of tensor `name` in layer `index` of `layers`. Where there are several, each layer takes the
  /// one that is furthest behind its share. Errors: kInternal when the shape has no such tensor there.
  quant::Format of(const std::string& name, uint32_t index, uint32_t layers) const {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) throw Error(ErrorKind::kInternal, "the shape has no tensor " + name);
    std::vector<uint64_t> given(found->second.size());
    size_t chosen = 0;
    for (uint64_t layer = 0; layer <= index; ++layer) {
      int64_t most = INT64_MIN;
      for (size_t i = 0; i < given.size(); ++i) {
        const auto behind = static_cast<int64_t>(found->second[i].count * (layer + 1)) -
                            static_cast<int64_t>(given[i] * layers);
        if (behind > most) {
          most = behind;
          chosen = i;
        }
      }
      ++given[chosen];
    }
    return found->second[chosen].format;
  }

 private:
  struct Share {
    uint64_t count;
    quant::Format format;
  };
  std::map<std::string, std::vector<Share>, std::less<>> by_name_;
};

/// Whether tensors are placed, or only counted: the pool is told what comes before it comes.
enum class Pass { kCount, kPlace };

class Synthesizer {
 public:
  Synthesizer(const plan::ModelShape& shape, vulkan::Device& device, const LoadCallback& progress)
      : formats_(shape),
        device_(device),
        progress_(progress),
        layers_(static_cast<uint32_t>(shape.layers.size())) {
    for (const plan::TensorShape& tensor : shape.tensors) {
      parameters_ += uint64_t{tensor.count} * tensor.rows * tensor.columns;
      if (tensor.rows > 1) make_pattern(*tensor.format.format, tensor.columns);
    }
  }
  ~Synthesizer() { device_.memory().expect({}); }
  Synthesizer(const Synthesizer&) = delete;
  Synthesizer& operator=(const Synthesizer&) = delete;

  /// From now on tensors are placed.
  void begin_placing() {
    pass_ = Pass::kPlace;
    for (const uint64_t bytes : sizes_) total_ += bytes;
    device_.memory().expect(sizes_);
  }

  struct Rows {
    const char* tensor;  ///< its name in the shape
    uint64_t rows;
  };

  bool has(const std::string& name) const { return formats_.has(name); }

  /// The rows of one tensor, or of several of one format, as one matrix.
  kernels::Matrix place(const std::string& name, quant::Format format, uint64_t rows, uint64_t columns) {
    kernels::Matrix matrix;
    matrix.format = format;
    matrix.rows = static_cast<uint32_t>(rows);
    matrix.columns = static_cast<uint32_t>(columns);
    matrix.layout = quant::row_layout(format, columns);
    const uint64_t most_rows =
        std::max<uint64_t>(2, device_.memory().max_allocation() / matrix.layout.row_bytes / 2 * 2);
    for (uint64_t first = 0; first < rows; first += most_rows) {
      const uint64_t count = std::min(most_rows, rows - first);
      const uint64_t bytes = count * matrix.layout.row_bytes;
      const vulkan::Allocation* memory = allocate(name, bytes);
      if (memory == nullptr) continue;
      matrix.segments.push_back(
          {memory->address(), static_cast<uint32_t>(first), static_cast<uint32_t>(count)});
      fill(*memory, count, patterns_.at({format, columns}));
      advance(bytes);
    }
    return matrix;
  }

  kernels::Matrix place(const std::string& name, uint32_t layer, uint64_t rows, uint64_t columns) {
    return place(name, formats_.of(name, layer, layers_), rows, columns);
  }

  /// As one matrix if the formats agree, else in parts.
  Joined join(const std::vector<Rows>& tensors, uint32_t layer, uint64_t columns) {
    Joined joined;
    const quant::Format format = formats_.of(tensors[0].tensor, layer, layers_);
    uint64_t rows = 0;
    bool same = true;
    for (const Rows& part : tensors) {
      rows += part.rows;
      same = same && formats_.of(part.tensor, layer, layers_) == format;
    }
    if (same) {
      joined.parts.push_back(place(tensors[0].tensor, format, rows, columns));
    } else {
      for (const Rows& part : tensors) joined.parts.push_back(place(part.tensor, layer, part.rows, columns));
    }
    return joined;
  }

  uint64_t place_vector(const std::string& name, uint64_t length, float value) {
    const vulkan::Allocation* memory = allocate(name, length * sizeof(float));
    if (memory == nullptr) return 0;
    const std::vector<float> values(length, value);
    device_.upload(*memory, 0, std::as_bytes(std::span(values)));
    advance(length * sizeof(float));
    return memory->address();
  }

  uint64_t parameters() const { return parameters_; }
  std::vector<vulkan::Allocation> take_memory() { return std::move(memory_); }

 private:
  /// Rows to repeat, all of one format and width.
  struct Pattern {
    vulkan::Allocation memory;
    uint64_t row_bytes = 0;
    uint64_t rows = 0;
    uint64_t next = 0;  ///< the row that the next matrix begins with
  };

  /// Memory that the weights will own, or null while tensors are only counted.
  const vulkan::Allocation* allocate(const std::string& name, uint64_t bytes) {
    if (pass_ == Pass::kCount) {
      sizes_.push_back(bytes);
      return nullptr;
    }
    memory_.push_back(device_.memory().allocate(bytes, vulkan::Residency::kDevice, vulkan::Purpose::kWeights,
                                                "tensor " + name));
    return &memory_.back();
  }

  void advance(uint64_t bytes) {
    done_ += bytes;
    if (progress_ && !progress_(done_, total_)) {
      throw Error(ErrorKind::kUsage, "loading was cancelled");
    }
  }

  void make_pattern(quant::Format format, uint64_t columns) {
    Pattern& made = patterns_[{format, columns}];
    if (made.memory) return;
    made.row_bytes = quant::row_layout(format, columns).row_bytes;
    made.rows = std::max<uint64_t>(kPatternBytes / made.row_bytes, 16);
    const std::vector<std::byte> rows =
        random_rows(format, columns, made.rows, static_cast<uint32_t>(patterns_.size()));
    std::vector<std::byte> packed(made.rows * made.row_bytes);
    quant::pack_rows(format, columns, made.rows, rows, packed);
    made.memory = device_.memory().allocate(packed.size(), vulkan::Residency::kDevice,
                                            vulkan::Purpose::kStaging, "random weights");
    device_.upload(made.memory, 0, packed);
  }

  /// Fills `rows` rows of `memory`, copied by the device. Every matrix begins with another row of the
  /// pattern, so that no two are the same.
  void fill(const vulkan::Allocation& memory, uint64_t rows, Pattern& pattern) {
    const uint64_t most = std::max<uint64_t>(kCopyBytes / pattern.row_bytes, 1);
    for (uint64_t row = 0; row < rows;) {
      std::vector<VkBufferCopy> regions;
      const uint64_t end = std::min(rows, row + most);
      while (row < end) {
        const uint64_t count = std::min(pattern.rows - pattern.next, end - row);
        regions.push_back({pattern.memory.buffer_offset() + pattern.next * pattern.row_bytes,
                           memory.buffer_offset() + row * pattern.row_bytes, count * pattern.row_bytes});
        row += count;
        pattern.next = (pattern.next + count) % pattern.rows;
      }
      vulkan::Recording recording(device_);
      vkCmdCopyBuffer(recording.handle(), pattern.memory.buffer(), memory.buffer(),
                      static_cast<uint32_t>(regions.size()), regions.data());
      recording.finish();
      const VkCommandBuffer buffer = recording.handle();
      device_.wait(device_.submit({&buffer, 1}));
    }
    pattern.next = (pattern.next + 7) % pattern.rows;
  }

  Formats formats_;
  vulkan::Device& device_;
  const LoadCallback& progress_;
  uint32_t layers_;
  Pass pass_ = Pass::kCount;
  std::vector<uint64_t> sizes_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  uint64_t parameters_ = 0;
  std::map<std::pair<quant::Format, uint64_t>, Pattern> patterns_;
  std::vector<vulkan::Allocation> memory_;
};

LayerWeights synthesize_layer(Synthesizer& made, const plan::ModelShape& shape, uint32_t index) {
  const plan::LayerShape& layer = shape.layers[index];
  const uint64_t q_rows = uint64_t{layer.heads} * layer.head;
  const uint64_t kv_rows = uint64_t{layer.kv_heads} * layer.head;
  LayerWeights weights;
  weights.attention_norm = made.place_vector("blk.N.attn_norm.weight", shape.width, 1);
  weights.qkv = made.join(
      {{"blk.N.attn_q.weight", q_rows}, {"blk.N.attn_k.weight", kv_rows}, {"blk.N.attn_v.weight", kv_rows}},
      index, shape.width);
  if (made.has("blk.N.attn_q.bias")) {
    weights.qkv.bias = made.place_vector("blk.N.attn_q.bias", q_rows + 2 * kv_rows, 0);
  }
  if (layer.qk_norm) {
    weights.query_norm = made.place_vector("blk.N.attn_q_norm.weight", layer.head, 1);
    weights.key_norm = made.place_vector("blk.N.attn_k_norm.weight", layer.head, 1);
  }
  weights.attention_output = made.place("blk.N.attn_output.weight", index, shape.width, q_rows);
  weights.ffn_norm = made.place_vector("blk.N.ffn_norm.weight", shape.width, 1);
  weights.gate_up = made.join({{"blk.N.ffn_gate.weight", layer.ffn}, {"blk.N.ffn_up.weight", layer.ffn}},
                              index, shape.width);
  weights.down = made.place("blk.N.ffn_down.weight", index, shape.width, layer.ffn);
  return weights;
}

/// Everything that a model of this shape has, in the order in which it is computed with.
Weights visit(Synthesizer& made, const plan::ModelShape& shape) {
  Weights weights;
  weights.embedding = made.place("token_embd.weight", 0, shape.vocabulary, shape.width);
  for (uint32_t i = 0; i < shape.layers.size(); ++i)
    weights.layers.push_back(synthesize_layer(made, shape, i));
  weights.output_norm = made.place_vector("output_norm.weight", shape.width, 1);
  if (!shape.tied) weights.output_matrix = made.place("output.weight", 0, shape.vocabulary, shape.width);
  return weights;
}

}  // namespace

void demand_computable(const plan::ModelShape& shape) {
  static_cast<void>(spec_of(shape));
  for (const plan::TensorShape& tensor : shape.tensors) {
    const quant::Format format = computable(tensor.format);
    if (tensor.rows > 1) static_cast<void>(quant::row_layout(format, tensor.columns));
  }
}

Weights synthesize(const plan::ModelShape& shape, vulkan::Device& device, const LoadCallback& progress) {
  demand_computable(shape);
  Synthesizer made(shape, device, progress);
  visit(made, shape);
  made.begin_placing();
  Weights weights = visit(made, shape);
  weights.parameters = made.parameters();
  weights.memory = made.take_memory();
  return weights;
}

}  // namespace caldera::model
