// What the kernels' tests share: batches, matrices in either storage, and running one operation.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"
#include "kernels/state.hpp"
#include "quant/file_layout.hpp"
#include "support/device.hpp"
#include "support/random.hpp"

namespace caldera::kernels {

using test::DeviceArray;

/// What outputs are filled with before a kernel runs: what it must not write must still hold this.
inline constexpr float kUntouched = 12345.5F;

inline DeviceArray<float> untouched(size_t count) {
  return DeviceArray<float>(std::vector<float>(count, kUntouched));
}

/// The kernels of the shared device, without matrix units, whose results are less precise: a test that is
/// about them says so. Their pipelines live in test::pipelines().
inline Kernels shared_kernels() {
  Kernels kernels(test::device(), test::pipelines());
  kernels.use_matrix_units(Kernels::MatrixUse::kNever);
  return kernels;
}

/// A batch on the device: `tokens` entries, and the outputs among them.
class TestBatch {
 public:
  explicit TestBatch(const std::vector<Entry>& entries, const std::vector<uint32_t>& outputs = {},
                     uint32_t running = 0)
      : memory_(batch_bytes(static_cast<uint32_t>(entries.size()))) {
    std::vector<std::byte> bytes(batch_bytes(static_cast<uint32_t>(entries.size())));
    auto* head = reinterpret_cast<BatchHead*>(bytes.data());
    head->tokens = static_cast<uint32_t>(entries.size());
    head->outputs = static_cast<uint32_t>(outputs.size());
    head->running = running;
    for (size_t i = 0; i < outputs.size(); ++i) head->output_index[i] = outputs[i];
    if (!entries.empty()) std::memcpy(head->entries(), entries.data(), entries.size() * sizeof(Entry));
    memory_.set(bytes);
  }
  /// `tokens` entries of nothing in particular, of which the first `outputs` are outputs.
  static TestBatch of(uint32_t tokens, uint32_t outputs = 0) {
    std::vector<uint32_t> indices(outputs);
    for (uint32_t i = 0; i < outputs; ++i) indices[i] = i;
    return TestBatch(std::vector<Entry>(tokens), indices);
  }

  uint64_t address() const { return memory_.address(); }
  BatchHead head() const {
    BatchHead head{};
    std::memcpy(&head, memory_.get().data(), sizeof(head));
    return head;
  }
  std::vector<Entry> entries() const {
    const std::vector<std::byte> bytes = memory_.get();
    std::vector<Entry> entries((bytes.size() - sizeof(BatchHead)) / sizeof(Entry));
    if (!entries.empty())
      std::memcpy(entries.data(), bytes.data() + sizeof(BatchHead), bytes.size() - sizeof(BatchHead));
    return entries;
  }

 private:
  DeviceArray<std::byte> memory_;
};

/// How a recording is made; see Kernels::Target.
struct Shape {
  uint32_t columns = 1;
  bool one_token_each = false;
  uint32_t splits = 1;
};

/// Records `operation` for `batch`, submits it and waits.
template <class Operation>
void run(Kernels& kernels, const Operation& operation, const TestBatch& batch, const Shape& shape) {
  vulkan::Recording recording(test::device());
  kernels.record({&recording, batch.address(), shape.columns, shape.one_token_each, shape.splits}, operation);
  recording.finish();
  test::run(recording);
}
template <class Operation>
void run(const Operation& operation, const TestBatch& batch, const Shape& shape,
         Kernels::Tiles tiles = Kernels::Tiles::kAuto) {
  Kernels kernels = shared_kernels();
  kernels.set_tiles(tiles);
  run(kernels, operation, batch, shape);
}

/// Where weights in the file's storage begin in the tests' memory: GGUF aligns tensors to 32 bytes, no more.
inline constexpr uint32_t kFileStart = 3 * 32;

/// Random weights (rows, columns) encoded in `format`: on the device, and as the numbers they stand for.
class TestMatrix {
 public:
  /// `segment_rows`: how the rows are cut into segments; together `rows`. Resident segments are allocations
  /// of their own; a file's lie one after the other, among bytes that are no numbers.
  /// Weights are between -size and size.
  TestMatrix(quant::Format format, Storage storage, uint32_t columns,
             const std::vector<uint32_t>& segment_rows, uint32_t seed, float size = 1) {
    matrix_.format = format;
    matrix_.columns = columns;
    matrix_.storage = storage;
    for (const uint32_t rows : segment_rows) matrix_.rows += rows;
    const uint64_t elements = uint64_t{matrix_.rows} * columns;
    std::vector<std::byte> file(quant::bytes_for(format, elements));
    quant::encode(format, test::uniforms(elements, seed, -size, size), file);
    values.resize(elements);
    quant::decode(format, file, std::span<double>(values));
    if (storage == Storage::kFile) {
      place_file(file, segment_rows);
    } else {
      place_resident(file, segment_rows);
    }
  }
  TestMatrix(quant::Format format, uint32_t rows, uint32_t columns, uint32_t seed)
      : TestMatrix(format, Storage::kResident, columns, std::vector<uint32_t>{rows}, seed) {}

  const Matrix& get() const { return matrix_; }
  std::vector<double> values;  ///< (rows, columns)

 private:
  void place_file(const std::vector<std::byte>& file, const std::vector<uint32_t>& segment_rows) {
    matrix_.layout = quant::file_layout(matrix_.format, matrix_.columns);
    std::vector<std::byte> around(kFileStart + file.size() + 32, std::byte{0xFF});
    std::copy(file.begin(), file.end(), around.begin() + kFileStart);
    memory_.emplace_back(around);
    uint32_t first = 0;
    for (const uint32_t rows : segment_rows) {
      const uint64_t offset = kFileStart + uint64_t{first} * matrix_.layout.row_bytes;
      matrix_.segments.push_back({memory_[0].address() + offset, first, rows});
      first += rows;
    }
  }
  void place_resident(const std::vector<std::byte>& file, const std::vector<uint32_t>& segment_rows) {
    matrix_.layout = quant::row_layout(matrix_.format, matrix_.columns);
    std::vector<std::byte> packed(uint64_t{matrix_.rows} * matrix_.layout.row_bytes);
    quant::pack_rows(matrix_.format, matrix_.columns, matrix_.rows, file, packed);
    uint32_t first = 0;
    for (const uint32_t rows : segment_rows) {
      const auto from = packed.begin() + int64_t{first} * matrix_.layout.row_bytes;
      memory_.emplace_back(std::vector<std::byte>(from, from + int64_t{rows} * matrix_.layout.row_bytes));
      matrix_.segments.push_back({memory_.back().address(), first, rows});
      first += rows;
    }
  }

  Matrix matrix_;
  std::vector<DeviceArray<std::byte>> memory_;
};

inline double silu(double x) {
  return x / (1 + std::exp(-x));
}

}  // namespace caldera::kernels
