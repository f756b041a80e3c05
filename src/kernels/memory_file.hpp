// The file that choices of tuning are kept in: JSON, one list for each kind of product.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace caldera::kernels {

using MemoryJson = nlohmann::ordered_json;

/// What choices were made for: they hold for this device, driver and code of the kernels.
struct MemoryOwner {
  std::string device;
  std::string driver;
  std::string kernels;  ///< a hash of their SPIR-V
};

/// The list of this name; empty where the file is missing, damaged, or another owner's.
MemoryJson read_memory_list(const std::filesystem::path& file, const MemoryOwner& owner, const char* name);

/// Replaces the list of this name, and keeps the owner's others. The file is written whole or not at all;
/// failure to write is not an error: then nothing is remembered.
void write_memory_list(const std::filesystem::path& file, const MemoryOwner& owner, const char* name,
                       MemoryJson list);

/// The quoted fields of an object, of which each must be there and of its type.
class MemoryFields {
 public:
  explicit MemoryFields(const MemoryJson& object) : object_(object) {}
  bool complete() const { return complete_; }

  uint32_t number(const char* name);
  bool flag(const char* name);
  std::string text(const char* name);

 private:
  const MemoryJson& object_;
  bool complete_ = true;
};

}  // namespace caldera::kernels
