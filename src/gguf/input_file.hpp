// A regular file open for reading at any offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "caldera/error.hpp"
#include "gguf/descriptor.hpp"

namespace caldera::gguf {

/// What a change of a file changes.
struct FileIdentity {
  uint64_t device;
  uint64_t inode;
  uint64_t size;
  int64_t modified;  ///< ns since 1970
  bool operator==(const FileIdentity&) const = default;
};

class InputFile {
 public:
  /// Errors: kFile, when `path` is absent, unreadable, a directory, or anything but a regular file.
  explicit InputFile(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  uint64_t size() const { return identity_.size; }  ///< bytes, when it was opened
  int descriptor() const { return descriptor_.number(); }
  const FileIdentity& identity() const { return identity_; }

  /// Fills `out` from `offset`. `what` names the thing read in errors ("tensor 'x'").
  /// Errors: kFile, when the read fails or the file has shrunk since it was opened.
  void read_at(uint64_t offset, std::span<std::byte> out, const std::string& what) const;

  /// The same file opened for reads past the page cache (O_DIRECT), or nothing where that is refused.
  Descriptor open_direct() const;

  /// Whether memory holds the file (the page cache, by sampling it; a file system in memory): then direct
  /// reads would be the slower ones.
  bool in_page_cache() const;

  /// Errors: kFile, when the file was changed since it was opened. `what` and `offset` say in the error what
  /// was being read.
  void demand_unchanged(uint64_t offset, const std::string& what) const;

  /// The error of a read of `what` that failed at `offset` with this errno.
  Error read_failed(uint64_t offset, const std::string& what, int code) const;
  /// The error of a read of `what` that met the end of the file at `offset`.
  Error became_shorter(uint64_t offset, const std::string& what) const;

 private:
  std::filesystem::path path_;
  Descriptor descriptor_;
  FileIdentity identity_{};
};

}  // namespace caldera::gguf
