// A model's file mapped into memory, for devices that can read it there: shared by all processes that map it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "gguf/file.hpp"

namespace caldera::gguf {

/// A read-only, shared mapping of one file of a set, whole. It stays when the File is gone.
///
/// While a program runs on a mapped model the file must not be made shorter: whoever then touches what was
/// cut off gets SIGBUS, a device an error of its own, and neither can be turned into an Error. populate()
/// reports it politely for what is shorter already, and File::demand_unchanged() sees a change afterwards.
class MappedFile {
 public:
  /// Maps file `index` of `file.paths()`. Errors: kFile, when the system refuses; kInternal, when there is
  /// none.
  MappedFile(const File& file, uint32_t index);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  /// The file as it was long when opened. Starts on a page; its last page is mapped whole, zeros after the
  /// end.
  std::span<const std::byte> bytes() const { return {data_, size_}; }

  /// Reads a range (of pages) from the disk now, and maps it, instead of a page at a time at its first use.
  /// On kernels older than 5.14 this is only advice. Errors: kFile, when the disk fails or the file has
  /// become shorter; kInternal, for a range outside.
  void populate(uint64_t offset, uint64_t bytes) const;

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace caldera::gguf
