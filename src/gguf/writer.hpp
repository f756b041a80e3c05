// Writes GGUF version 3 files: for tests, synthetic models and tools.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "gguf/metadata.hpp"
#include "quant/format.hpp"

namespace caldera::gguf {

/// Collects metadata and tensors, then writes the file whole (to a temporary name, renamed at the end).
class Writer {
 public:
  void set(const std::string& key, uint32_t value);
  void set(const std::string& key, float value);
  void set(const std::string& key, bool value);
  void set(const std::string& key, const std::string& value);
  void set(const std::string& key, const std::vector<std::string>& values);
  void set(const std::string& key, const std::vector<float>& values);
  void set(const std::string& key, const std::vector<int32_t>& values);

  /// `shape[0]` is the row length. `data` must be `bytes_for(format, elements)` long.
  void add(const std::string& name, quant::Format format, std::vector<uint64_t> shape, std::vector<std::byte> data);
  /// As above for tensors too large to hold: `produce(offset, out)` is called in order while writing.
  void add(const std::string& name, quant::Format format, std::vector<uint64_t> shape,
           std::function<void(uint64_t offset, std::span<std::byte> out)> produce);

  /// Writes everything as one file, or as `splits` files named NAME-0000i-of-0000n.gguf.
  /// Returns the path to open. Errors: kFile.
  std::filesystem::path write(const std::filesystem::path& path, uint32_t splits = 1) const;

 private:
  struct Pending {
    std::string name;
    quant::Format format;
    std::vector<uint64_t> shape;
    std::vector<std::byte> data;
    std::function<void(uint64_t, std::span<std::byte>)> produce;
  };
  std::vector<std::pair<std::string, std::vector<std::byte>>> metadata_;  // key, encoded type and value
  std::vector<Pending> tensors_;
};

}  // namespace caldera::gguf
