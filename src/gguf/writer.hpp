// Writes GGUF version 3 files: for tests, synthetic models and tools.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "gguf/metadata.hpp"
#include "quant/format.hpp"

namespace caldera::gguf {

class OutputFile;  // output_file.hpp

/// Collects metadata and tensors, then writes the file whole (to a temporary name, renamed at the end).
class Writer {
 public:
  /// Sets a key; one that is there already gets the new value. `general.alignment` also sets where tensors
  /// may start.
  void set(const std::string& key, uint32_t value);
  void set(const std::string& key, float value);
  void set(const std::string& key, bool value);
  void set(const std::string& key, const std::string& value);
  void set(const std::string& key, const char* value) {
    set(key, std::string(value));
  }  // else it would be a bool
  void set(const std::string& key, const std::vector<std::string>& values);
  void set(const std::string& key, const std::vector<float>& values);
  void set(const std::string& key, const std::vector<int32_t>& values);

  /// Writes the data of one tensor from `offset` on into `out`; see add().
  using Produce = std::function<void(uint64_t offset, std::span<std::byte> out)>;

  /// `shape[0]` is the row length. `data` must be `bytes_for(format, elements)` long. Errors: kInternal for
  /// that, for a shape that is no tensor's, and for a name that is there already.
  void add(const std::string& name, quant::Format format, std::vector<uint64_t> shape,
           std::vector<std::byte> data);
  /// As above for tensors too large to hold: `produce` is called in order while writing, each time for whole
  /// rows (or whole blocks, if a row is larger than 4 MiB).
  void add(const std::string& name, quant::Format format, std::vector<uint64_t> shape, Produce produce);

  /// Writes everything as one file, or as `splits` files named NAME-0000i-of-0000n.gguf, cut between tensors
  /// into parts of about the same size. Returns the path to open. Errors: kFile, kUsage for an impossible
  /// number of splits or an alignment that is no power of two.
  std::filesystem::path write(const std::filesystem::path& path, uint32_t splits = 1) const;

 private:
  struct Pending {
    std::string name;
    quant::Format format;
    std::vector<uint64_t> shape;
    std::vector<std::byte> data;
    Produce produce;
    uint64_t bytes;
  };
  using Encoded = std::vector<std::pair<std::string, std::vector<std::byte>>>;  // key, encoded type and value

  void put(const std::string& key, std::vector<std::byte> encoded);
  void add(Pending tensor);
  void write_one(OutputFile& file, const Encoded& metadata, std::span<const Pending> tensors) const;
  static void write_produced(OutputFile& file, const Pending& tensor);

  Encoded metadata_;
  std::vector<Pending> tensors_;
  std::unordered_set<std::string> names_;
  uint32_t alignment_ = 32;
};

}  // namespace caldera::gguf
