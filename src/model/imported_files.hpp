// The files of a model as device memory: mapped, and imported in windows as large as the device allows.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gguf/file.hpp"
#include "gguf/mapped_file.hpp"
#include "vulkan/device.hpp"

namespace caldera::model {

/// Rows of one tensor that a device can reach in one piece.
struct ImportedRows {
  uint64_t address;
  uint64_t first_row;
  uint64_t rows;
};

class ImportedFiles {
 public:
  /// Maps every file of the set and imports all that holds tensors, or nothing: then `refusal` says why, in
  /// words.
  static std::optional<ImportedFiles> open(const gguf::File& file, vulkan::Device& device,
                                           std::string& refusal);

  /// Where a tensor's rows lie.
  std::vector<ImportedRows> rows(const gguf::Tensor& tensor) const;

  /// Reads all tensors of `file`, which must be the one that was opened, from the disk now. `read` is called
  /// with bytes read and may throw. Errors: kFile.
  void populate(const gguf::File& file, const std::function<void(uint64_t bytes)>& read) const;

  std::vector<gguf::MappedFile> take_mappings() { return std::move(mapped_); }
  std::vector<vulkan::Allocation> take_memory();

 private:
  struct Window {
    uint32_t file;
    uint64_t begin;  ///< bytes into the file
    uint64_t end;
    vulkan::Allocation memory;
  };
  std::vector<gguf::MappedFile> mapped_;
  std::vector<Window> windows_;  ///< by file and place
};

}  // namespace caldera::model
