#include "model/imported_files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <tuple>

#include "caldera/error.hpp"

namespace caldera::model {
namespace {

/// Rows of a tensor that fit into one window.
struct Run {
  uint32_t file;
  uint64_t begin;
  uint64_t end;
};

uint64_t row_bytes(const gguf::Tensor& tensor) {
  return tensor.bytes / tensor.rows();
}

/// Rows of a tensor that a window of `most` bytes holds wherever they begin in it.
uint64_t rows_at_once(const gguf::Tensor& tensor, uint64_t most, uint64_t alignment) {
  return std::max<uint64_t>((most - 2 * alignment) / row_bytes(tensor), 1);
}

std::vector<Run> runs_of(const gguf::File& file, uint64_t most, uint64_t alignment) {
  std::vector<Run> runs;
  for (const gguf::Tensor& tensor : file.tensors()) {
    const uint64_t step = rows_at_once(tensor, most, alignment);
    for (uint64_t row = 0; row < tensor.rows(); row += step) {
      const uint64_t end = std::min(row + step, tensor.rows());
      runs.push_back(
          {tensor.file, tensor.offset + row * row_bytes(tensor), tensor.offset + end * row_bytes(tensor)});
    }
  }
  std::sort(runs.begin(), runs.end(),
            [](const Run& a, const Run& b) { return std::tie(a.file, a.begin) < std::tie(b.file, b.begin); });
  return runs;
}

}  // namespace

std::optional<ImportedFiles> ImportedFiles::open(const gguf::File& file, vulkan::Device& device,
                                                 std::string& refusal) {
  const vulkan::PhysicalDevice& physical = device.physical();
  const uint64_t alignment = physical.host_import_alignment;
  if (alignment == 0) {
    refusal =
        fmt::format("{} cannot read memory of the host's (VK_EXT_external_memory_host)", physical.info.name);
    return std::nullopt;
  }
  const auto down = [&](uint64_t offset) { return offset / alignment * alignment; };
  const auto up = [&](uint64_t offset) { return down(offset + alignment - 1); };
  const uint64_t most = down(device.memory().max_allocation());
  ImportedFiles files;
  for (uint32_t i = 0; i < file.paths().size(); ++i) {
    files.mapped_.emplace_back(file, i);
    if (reinterpret_cast<uintptr_t>(files.mapped_.back().bytes().data()) % alignment != 0) {
      refusal = fmt::format("{} wants memory aligned to {} bytes, and the file is mapped otherwise",
                            physical.info.name, alignment);
      return std::nullopt;
    }
  }
  std::vector<Window> windows;
  for (const Run& run : runs_of(file, most, alignment)) {
    const bool joins =
        !windows.empty() && windows.back().file == run.file && up(run.end) - windows.back().begin <= most;
    if (joins) {
      windows.back().end = std::max(windows.back().end, up(run.end));
    } else {
      windows.push_back({run.file, down(run.begin), up(run.end), {}});
    }
  }
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  for (Window& window : windows) {
    const std::span<const std::byte> bytes = files.mapped_[window.file].bytes();
    // The tail of the last page is mapped too, but not the tail of a larger unit: what follows is others'
    // memory.
    if (window.end > (bytes.size() + page - 1) / page * page) {
      refusal = fmt::format("{} wants memory in units of {} bytes, and the file ends inside of one",
                            physical.info.name, alignment);
      return std::nullopt;
    }
    // Devices read weights only; the interface has no word for that.
    auto* start = const_cast<std::byte*>(bytes.data()) + window.begin;
    std::optional<vulkan::Allocation> memory =
        device.memory().import({start, window.end - window.begin}, vulkan::Purpose::kWeights, refusal);
    if (!memory) return std::nullopt;
    window.memory = std::move(*memory);
  }
  files.windows_ = std::move(windows);
  return files;
}

std::vector<ImportedRows> ImportedFiles::rows(const gguf::Tensor& tensor) const {
  std::vector<ImportedRows> found;
  const uint64_t row = row_bytes(tensor);
  for (const Window& window : windows_) {
    if (window.file != tensor.file || window.end <= tensor.offset ||
        window.begin >= tensor.offset + tensor.bytes) {
      continue;
    }
    // Whole rows that lie in this window and in none before it.
    const uint64_t next = found.empty() ? 0 : found.back().first_row + found.back().rows;
    const uint64_t end = std::min(tensor.rows(), (window.end - tensor.offset) / row);
    if (next >= end || tensor.offset + next * row < window.begin) continue;
    found.push_back({window.memory.address() + tensor.offset + next * row - window.begin, next, end - next});
  }
  return found;
}

void ImportedFiles::populate(const gguf::File& file, const std::function<void(uint64_t bytes)>& read) const {
  constexpr uint64_t kStep = uint64_t{64} << 20;
  for (const gguf::Tensor& tensor : file.tensors()) {
    for (uint64_t at = 0; at < tensor.bytes; at += kStep) {
      const uint64_t bytes = std::min(kStep, tensor.bytes - at);
      try {
        mapped_[tensor.file].populate(tensor.offset + at, bytes);
      } catch (const Error&) {
        file.demand_unchanged(tensor, at);  // says which tensor, if that is why
        throw;
      }
      read(bytes);
    }
  }
}

std::vector<vulkan::Allocation> ImportedFiles::take_memory() {
  std::vector<vulkan::Allocation> memory;
  memory.reserve(windows_.size());
  for (Window& window : windows_) memory.push_back(std::move(window.memory));
  return memory;
}

}  // namespace caldera::model
