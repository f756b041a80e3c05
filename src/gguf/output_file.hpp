// A file written under a temporary name beside its own, which it gets when it is complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace caldera::gguf {

class OutputFile {
 public:
  /// Errors: kFile.
  explicit OutputFile(std::filesystem::path path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();  ///< removes what was written, unless commit() succeeded

  /// Appends bytes. Errors: kFile, such as a full disk.
  void write(std::span<const std::byte> bytes);
  /// Appends zeros up to a multiple of `alignment`.
  void pad(uint64_t alignment);

  uint64_t offset() const { return offset_; }

  /// Gives the file its name, replacing one that had it. Errors: kFile.
  void commit();

 private:
  [[noreturn]] void fail(const char* what, int error) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  uint64_t offset_ = 0;
};

}  // namespace caldera::gguf
