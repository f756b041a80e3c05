#include "model/synthetic.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <numeric>
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

quant::Format computable(const plan::WeightFormat& format) {
  if (format.format) return *format.format;
  std::vector<std::string_view> names;
  for (const quant::FormatInfo& one : quant::formats()) names.push_back(one.name);
  throw Error(ErrorKind::kUnsupported, fmt::format("{} can be planned for, and not computed with yet: {} can",
                                                   format.name, fmt::join(names, ", ")));
}

/// The name that all layers' tensors of a kind share in shapes.
std::string in_shape(const TensorName& name) {
  return (name.layer ? "blk.N." : "") + std::string(name.tensor);
}

/// The formats of each tensor, layer by layer.
class Formats {
 public:
  explicit Formats(const plan::ModelShape& shape) : layers_(shape.layers.size()) {
    for (const plan::TensorShape& tensor : shape.tensors) {
      by_name_[tensor.name].push_back({tensor.count, computable(tensor.format)});
    }
  }

  bool has(const TensorName& name) const { return by_name_.contains(in_shape(name)); }

  /// The format of a tensor. Where there are several, each layer takes the one that is furthest behind its
  /// share. Errors: kInternal when the shape has no such tensor.
  quant::Format of(const TensorName& name) const {
    const auto found = by_name_.find(in_shape(name));
    if (found == by_name_.end())
      throw Error(ErrorKind::kInternal, "the shape has no tensor " + name.in_file());
    const uint32_t index = name.layer.value_or(0);
    std::vector<uint64_t> given(found->second.size());
    size_t chosen = 0;
    for (uint64_t layer = 0; layer <= index; ++layer) {
      int64_t most = INT64_MIN;
      for (size_t i = 0; i < given.size(); ++i) {
        const auto behind = static_cast<int64_t>(found->second[i].count * (layer + 1)) -
                            static_cast<int64_t>(given[i] * layers_);
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
  uint64_t layers_;
  std::map<std::string, std::vector<Share>> by_name_;
};

/// Random rows in device memory, for matrices to be filled with: one pattern for each format and width.
class Patterns {
 public:
  Patterns(const plan::ModelShape& shape, vulkan::Device& device) : device_(device) {
    for (const plan::TensorShape& tensor : shape.tensors) {
      if (tensor.rows > 1) make(*tensor.format.format, tensor.columns);
    }
  }

  /// Fills `rows` rows of `memory`, copied by the device. Every matrix begins with another row of its
  /// pattern, so that no two are the same.
  void fill(const kernels::Matrix& matrix, const vulkan::Allocation& memory, uint64_t rows) {
    Pattern& pattern = patterns_.at({matrix.format, matrix.columns});
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

 private:
  struct Pattern {
    vulkan::Allocation memory;
    uint64_t row_bytes = 0;
    uint64_t rows = 0;
    uint64_t next = 0;  ///< the row that the next matrix begins with
  };

  void make(quant::Format format, uint64_t columns) {
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

  vulkan::Device& device_;
  std::map<std::pair<quant::Format, uint64_t>, Pattern> patterns_;
};

/// Makes tensors up. Without patterns it only counts what they will take.
class SyntheticPlacer : public Placer {
 public:
  SyntheticPlacer(const Formats& formats, vulkan::Device& device, Patterns* patterns,
                  std::function<void(uint64_t bytes)> placed)
      : formats_(formats), device_(device), patterns_(patterns), placed_(std::move(placed)) {}

  bool has(const TensorName& name) override { return formats_.has(name); }

  Joined matrices(const std::vector<TensorRows>& tensors, uint64_t columns, RowOrder /*order*/) override {
    uint64_t rows = 0;
    bool same = true;
    for (const TensorRows& one : tensors) {
      rows += one.rows;
      same = same && formats_.of(one.name) == formats_.of(tensors[0].name);
    }
    Joined joined;
    if (same) {
      joined.parts.push_back(place(tensors[0].name, rows, columns));
    } else {
      for (const TensorRows& one : tensors) joined.parts.push_back(place(one.name, one.rows, columns));
    }
    return joined;
  }

  uint64_t vectors(const std::vector<TensorRows>& tensors) override {
    std::vector<float> all;
    for (const TensorRows& one : tensors) {
      const std::vector<float> values = host_vector(one.name, one.rows);
      all.insert(all.end(), values.begin(), values.end());
    }
    const vulkan::Allocation* memory = allocate(tensors[0].name, all.size() * sizeof(float));
    if (memory == nullptr) return 0;
    device_.upload(*memory, 0, std::as_bytes(std::span(all)));
    placed_(all.size() * sizeof(float));
    return memory->address();
  }

  std::vector<float> host_vector(const TensorName& name, uint64_t length) override {
    return std::vector<float>(length, name.tensor.ends_with(".bias") ? 0.0F : 1.0F);
  }

  /// What was or will be allocated, in order.
  const std::vector<uint64_t>& sizes() const { return sizes_; }
  std::vector<vulkan::Allocation>& memory() { return memory_; }

 private:
  kernels::Matrix place(const TensorName& name, uint64_t rows, uint64_t columns) {
    kernels::Matrix matrix;
    matrix.format = formats_.of(name);
    matrix.rows = static_cast<uint32_t>(rows);
    matrix.columns = static_cast<uint32_t>(columns);
    matrix.layout = quant::row_layout(matrix.format, columns);
    const uint64_t most_rows = segment_rows(device_.memory().max_allocation(), matrix.layout.row_bytes);
    for (uint64_t first = 0; first < rows; first += most_rows) {
      const uint64_t count = std::min(most_rows, rows - first);
      const vulkan::Allocation* memory = allocate(name, count * matrix.layout.row_bytes);
      if (memory == nullptr) continue;
      matrix.segments.push_back(
          {memory->address(), static_cast<uint32_t>(first), static_cast<uint32_t>(count)});
      patterns_->fill(matrix, *memory, count);
      placed_(count * matrix.layout.row_bytes);
    }
    return matrix;
  }

  /// Memory that the weights will own, or null while tensors are only counted.
  const vulkan::Allocation* allocate(const TensorName& name, uint64_t bytes) {
    sizes_.push_back(bytes);
    if (patterns_ == nullptr) return nullptr;
    memory_.push_back(device_.memory().allocate(bytes, vulkan::Residency::kDevice, vulkan::Purpose::kWeights,
                                                "tensor " + name.in_file()));
    return &memory_.back();
  }

  const Formats& formats_;
  vulkan::Device& device_;
  Patterns* patterns_;
  std::function<void(uint64_t bytes)> placed_;
  std::vector<uint64_t> sizes_;
  std::vector<vulkan::Allocation> memory_;
};

}  // namespace

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

void demand_computable(const plan::ModelShape& shape) {
  static_cast<void>(spec_of(shape));
  for (const plan::TensorShape& tensor : shape.tensors) {
    const quant::Format format = computable(tensor.format);
    if (tensor.rows > 1) static_cast<void>(quant::row_layout(format, tensor.columns));
  }
}

Weights synthesize(const plan::ModelShape& shape, vulkan::Device& device, const LoadCallback& progress,
                   const ContextRoom& context) {
  const auto start = std::chrono::steady_clock::now();
  demand_computable(shape);
  const ModelSpec spec = spec_of(shape);
  const Formats formats(shape);
  SyntheticPlacer count(formats, device, nullptr, {});
  place_weights(count, spec);

  const uint64_t total = std::accumulate(count.sizes().begin(), count.sizes().end(), uint64_t{0});
  uint64_t done = 0;
  const auto placed = [&](uint64_t bytes) {
    done += bytes;
    if (progress && !progress(done, total)) throw Error(ErrorKind::kUsage, "loading was cancelled");
  };
  Patterns patterns(shape, device);
  SyntheticPlacer placer(formats, device, &patterns, placed);
  const PreparedMemory prepared(device, count.sizes(), context);
  Weights weights = place_weights(placer, spec);
  weights.memory = std::move(placer.memory());
  for (const plan::TensorShape& tensor : shape.tensors) {
    weights.parameters += uint64_t{tensor.count} * tensor.rows * tensor.columns;
  }
  weights.report.reason = "there is no file";
  weights.report.reader = "made up";
  weights.report.bytes = total;
  weights.report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return weights;
}

}  // namespace caldera::model
