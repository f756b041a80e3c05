// A regular file open for reading at any offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace caldera::gguf {

class InputFile {
 public:
  /// Errors: kFile, when `path` is absent, unreadable, a directory, or anything but a regular file.
  explicit InputFile(std::filesystem::path path);
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;
  ~InputFile();

  const std::filesystem::path& path() const { return path_; }
  uint64_t size() const { return size_; }  ///< bytes, when it was opened

  /// Fills `out` from `offset`. `what` names the thing read in errors ("tensor 'x'").
  /// Errors: kFile, when the read fails or the file has shrunk since it was opened.
  void read_at(uint64_t offset, std::span<std::byte> out, const std::string& what) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

}  // namespace caldera::gguf
