#include "model/weights.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "caldera/error.hpp"
#include "model/imported_files.hpp"
#include "model/placer.hpp"
#include "model/transfer.hpp"
#include "quant/file_layout.hpp"

namespace caldera::model {
namespace {

/// Whether a placer moves data, or only looks whether it could.
enum class Pass { kCheck, kLoad };

/// The file's tensors, looked at: everything there, of the right shape, in a format that can be computed
/// with.
class FilePlacer : public Placer {
 public:
  /// `imported`: the files as device memory, or null to copy. `moved` is told of bytes that were read at
  /// once.
  FilePlacer(const gguf::File& file, vulkan::Device& device, Pass pass, ImportedFiles* imported,
             std::function<void(uint64_t)> moved)
      : file_(file), device_(device), pass_(pass), imported_(imported), moved_(std::move(moved)) {}

  bool has(const TensorName& name) override { return file_.find(name.in_file()) != nullptr; }

  Joined matrices(const std::vector<TensorRows>& wanted, uint64_t columns, RowOrder order) override {
    std::vector<const gguf::Tensor*> tensors;
    tensors.reserve(wanted.size());
    for (const TensorRows& one : wanted) tensors.push_back(&tensor(one.name, one.rows, columns));
    const bool same = std::all_of(tensors.begin(), tensors.end(),
                                  [&](const gguf::Tensor* other) { return other->type == tensors[0]->type; });
    Joined joined;
    if (same && imported_ == nullptr) {
      joined.parts.push_back(copied(tensors, order));
    } else {
      for (const gguf::Tensor* one : tensors) {
        joined.parts.push_back(imported_ != nullptr && can_import(*one) ? imported(*one)
                                                                        : copied({one}, order));
      }
    }
    return joined;
  }

  uint64_t vectors(const std::vector<TensorRows>& wanted) override {
    std::vector<float> all;
    for (const TensorRows& one : wanted) {
      const std::vector<float> values = host_vector(one.name, one.rows);
      all.insert(all.end(), values.begin(), values.end());
    }
    if (pass_ == Pass::kCheck) {
      sizes_.push_back(all.size() * sizeof(float));
      return 0;
    }
    vulkan::Allocation memory =
        device_.memory().allocate(all.size() * sizeof(float), vulkan::Residency::kDevice,
                                  vulkan::Purpose::kWeights, "tensor " + wanted[0].name.in_file());
    device_.upload(memory, 0, std::as_bytes(std::span(all)));
    memory_.push_back(std::move(memory));
    return memory_.back().address();
  }

  std::vector<float> host_vector(const TensorName& name, uint64_t length) override {
    const gguf::Tensor& found = tensor(name, 1, length);
    std::vector<float> values(length);
    if (pass_ == Pass::kCheck) return values;
    std::vector<std::byte> bytes(found.bytes);
    file_.read(found, 0, bytes);
    quant::decode(found.format(), bytes, std::span(values));
    moved_(bytes.size());
    return values;
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

  /// After a check: what will be allocated, in order.
  const std::vector<uint64_t>& sizes() const { return sizes_; }
  /// After placing: what is still to be moved, and where to.
  std::vector<Transfer>& transfers() { return transfers_; }
  std::vector<vulkan::Allocation>& memory() { return memory_; }

 private:
  const gguf::Tensor& tensor(const TensorName& name, uint64_t rows, uint64_t columns) {
    const std::string in_file = name.in_file();
    const gguf::Tensor* found = file_.find(in_file);
    if (found == nullptr) throw Error(ErrorKind::kFormat, fmt::format("the model has no tensor {}", in_file));
    used_.insert(in_file);
    if (found->columns() != columns || found->rows() != rows) {
      throw Error(ErrorKind::kFormat, fmt::format("tensor {} is {} and should be {} by {}", in_file,
                                                  fmt::join(found->shape, " by "), columns, rows));
    }
    return *found;
  }

  static kernels::Matrix shaped(const gguf::Tensor& tensor, uint64_t rows) {
    kernels::Matrix matrix;
    matrix.format = tensor.format();
    matrix.columns = static_cast<uint32_t>(tensor.columns());
    matrix.rows = static_cast<uint32_t>(rows);
    try {
      matrix.layout = quant::row_layout(matrix.format, tensor.columns());
    } catch (const Error& error) {
      throw Error(error.kind(), fmt::format("tensor {}: {}", tensor.name, error.what()));
    }
    return matrix;
  }

  /// Tensors of one format as one matrix, in memory of its own.
  kernels::Matrix copied(const std::vector<const gguf::Tensor*>& tensors, RowOrder order) {
    uint64_t rows = 0;
    for (const gguf::Tensor* one : tensors) rows += one->rows();
    kernels::Matrix matrix = shaped(*tensors[0], rows);
    const uint64_t most_rows = segment_rows(device_.memory().max_allocation(), matrix.layout.row_bytes);
    for (uint64_t first = 0; first < rows; first += most_rows) {
      const uint64_t count = std::min(most_rows, rows - first);
      if (pass_ == Pass::kCheck) {
        sizes_.push_back(count * matrix.layout.row_bytes);
        continue;
      }
      memory_.push_back(device_.memory().allocate(count * matrix.layout.row_bytes, vulkan::Residency::kDevice,
                                                  vulkan::Purpose::kWeights, "tensor " + tensors[0]->name));
      matrix.segments.push_back(
          {memory_.back().address(), static_cast<uint32_t>(first), static_cast<uint32_t>(count)});
      schedule(matrix.layout, tensors, order, first, count);
    }
    return matrix;
  }

  /// Rows [first, first + count) of a matrix, which are the last allocation.
  void schedule(const quant::RowLayout& layout, const std::vector<const gguf::Tensor*>& tensors,
                RowOrder order, uint64_t first, uint64_t count) {
    const size_t memory = memory_.size() - 1;
    if (order == RowOrder::kAlternating && tensors.size() > 1) {
      Transfer transfer{{}, count, layout, memory, 0};
      for (const gguf::Tensor* one : tensors) transfer.sources.push_back({one, first / tensors.size()});
      transfers_.push_back(std::move(transfer));
      return;
    }
    uint64_t start = 0;  // row of the matrix where the current tensor starts
    for (const gguf::Tensor* one : tensors) {
      const uint64_t low = std::max(first, start);
      const uint64_t high = std::min(first + count, start + one->rows());
      if (low < high) {
        transfers_.push_back(
            {{{one, low - start}}, high - low, layout, memory, (low - first) * layout.row_bytes});
      }
      start += one->rows();
    }
  }

  /// Kernels load what a tensor holds in pieces that its place in the file must be aligned to.
  static bool can_import(const gguf::Tensor& tensor) {
    return tensor.offset % quant::file_alignment(tensor.format()) == 0;
  }

  /// A tensor where it lies in the mapped file.
  kernels::Matrix imported(const gguf::Tensor& tensor) {
    kernels::Matrix matrix = shaped(tensor, tensor.rows());
    matrix.storage = kernels::Storage::kFile;
    matrix.layout = quant::file_layout(matrix.format, tensor.columns());
    for (const ImportedRows& rows : imported_->rows(tensor)) {
      matrix.segments.push_back(
          {rows.address, static_cast<uint32_t>(rows.first_row), static_cast<uint32_t>(rows.rows)});
    }
    return matrix;
  }

  const gguf::File& file_;
  vulkan::Device& device_;
  Pass pass_;
  ImportedFiles* imported_;
  std::function<void(uint64_t)> moved_;
  std::set<std::string, std::less<>> used_;
  std::vector<uint64_t> sizes_;
  std::vector<Transfer> transfers_;
  std::vector<vulkan::Allocation> memory_;
};

/// Counts what has been loaded, for whoever watches.
class Progress {
 public:
  Progress(const LoadCallback& callback, uint64_t total) : callback_(callback), total_(total) {}
  void add(uint64_t bytes) {
    done_ += bytes;
    if (callback_ && !callback_(std::min(done_, total_), total_)) {
      throw Error(ErrorKind::kUsage, "loading was cancelled");
    }
  }

 private:
  const LoadCallback& callback_;
  uint64_t done_ = 0;
  uint64_t total_;
};

Weights copy_weights(const gguf::File& file, const ModelSpec& spec, vulkan::Device& device,
                     Progress& progress, const WeightOptions& options, const std::vector<uint64_t>& sizes) {
  const auto moved = [&](uint64_t bytes) { progress.add(bytes); };
  FilePlacer placer(file, device, Pass::kLoad, nullptr, moved);
  const PreparedMemory prepared(device, sizes, {options.context_least, options.context_wished});
  Weights weights = place_weights(placer, spec);
  weights.report.way = LoadWay::kCopy;
  weights.report.reader =
      run_transfers(file, device, placer.transfers(), placer.memory(), options.ring_bytes, moved);
  weights.memory = std::move(placer.memory());
  return weights;
}

Weights import_weights(const gguf::File& file, const ModelSpec& spec, vulkan::Device& device,
                       Progress& progress, const WeightOptions& options, ImportedFiles& imported) {
  imported.populate(file, [&](uint64_t bytes) { progress.add(bytes); });
  const auto uncounted = [](uint64_t) {};
  FilePlacer placer(file, device, Pass::kLoad, &imported, uncounted);
  const PreparedMemory prepared(device, {}, {options.context_least, options.context_wished});
  Weights weights = place_weights(placer, spec);
  weights.report.way = LoadWay::kImport;
  weights.report.reader = "mapped";
  // What kernels cannot read where it lies is copied after all.
  if (!placer.transfers().empty()) {
    run_transfers(file, device, placer.transfers(), placer.memory(), options.ring_bytes, uncounted);
  }
  weights.mapped = imported.take_mappings();
  weights.memory = imported.take_memory();
  for (vulkan::Allocation& memory : placer.memory()) weights.memory.push_back(std::move(memory));
  return weights;
}

}  // namespace

Weights load_weights(const gguf::File& file, const ModelSpec& spec, vulkan::Device& device,
                     const LoadCallback& callback, const WeightOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  uint64_t parameters = 0;
  uint64_t total = 0;
  for (const gguf::Tensor& tensor : file.tensors()) {
    static_cast<void>(tensor.format());
    parameters += tensor.elements();
    total += tensor.bytes;
  }
  FilePlacer check(file, device, Pass::kCheck, nullptr, {});
  place_weights(check, spec);
  check.demand_all_used();

  Progress progress(callback, total);
  Weights weights;
  if (options.way == LoadWay::kImport) {
    std::string refusal;
    std::optional<ImportedFiles> imported = ImportedFiles::open(file, device, refusal);
    if (!imported) {
      throw Error(ErrorKind::kDevice,
                  fmt::format("the model cannot be imported: {}; use --load copy", refusal));
    }
    weights = import_weights(file, spec, device, progress, options, *imported);
    weights.report.reason = "asked for";
  } else {
    weights = copy_weights(file, spec, device, progress, options, check.sizes());
    weights.report.reason = options.way == LoadWay::kCopy
                                ? "asked for"
                                : "the layout it is repacked to computes faster than the file's";
  }
  for (const gguf::Tensor& tensor : file.tensors()) file.demand_unchanged(tensor, 0);
  for (const float factor : weights.rope_factors) {
    if (!(factor > 0)) {
      throw Error(ErrorKind::kFormat, "rope_freqs.weight has a factor that is not positive");
    }
  }
  weights.parameters = parameters;
  weights.report.bytes = total;
  weights.report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return weights;
}

}  // namespace caldera::model
