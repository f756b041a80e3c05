// A file that is being fetched: under a hidden name beside its own, which it gets when it is whole and right.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "gguf/descriptor.hpp"
#include "hub/file_set.hpp"
#include "hub/sha256.hpp"

namespace caldera::hub {

/// Asked while much is read; false ends that with TransferCancelled.
using GoOn = std::function<bool(uint64_t bytes)>;

class PartialFile {
 public:
  /// Goes on with what an earlier one left of the same content, or begins anew. Errors: kFile, also when
  /// another process is fetching it.
  PartialFile(std::filesystem::path target, const File& content);
  PartialFile(PartialFile&&) noexcept = default;
  PartialFile& operator=(PartialFile&&) = delete;
  ~PartialFile();  ///< what has come stays

  const std::filesystem::path& target() const { return target_; }
  const std::filesystem::path& path() const { return path_; }  ///< where it lies until then
  uint64_t bytes() const { return bytes_; }                    ///< that are there
  uint64_t wanted() const { return wanted_; }
  const std::string& etag() const { return etag_; }  ///< that the server gave what is there; or empty

  /// Begins anew with what a server gives this ETag. Errors: kFile.
  void restart(const std::string& etag);
  /// Errors: kFile (a full disk), and for more than was announced.
  void append(std::span<const std::byte> piece);
  /// SHA-256 of what is there.
  std::string sha256(const GoOn& go_on);
  /// Removes it.
  void discard();
  /// Gives it its name, replacing what had it, and notes its checksum beside it. Errors: kFile.
  void put_in_place(const std::string& sha256);

 private:
  [[noreturn]] void fail(const char* what, int error) const;

  std::filesystem::path target_;
  std::filesystem::path path_;
  std::filesystem::path notes_;
  gguf::Descriptor descriptor_;
  uint64_t bytes_ = 0;
  uint64_t wanted_ = 0;
  std::string wanted_sha256_;
  std::string etag_;
  std::optional<Sha256> hash_;  ///< of the first bytes_; none: not read yet
};

/// What a hidden file that PartialFile makes belongs to: "model.gguf" of ".model.gguf.part"; empty: to
/// nothing.
std::string target_of_partial(const std::string& name);

/// Bytes that the partial file of `target` is to have, or nothing where there is none.
std::optional<uint64_t> announced_bytes(const std::filesystem::path& target);

/// The checksum that was noted when `target` was put in place, or empty.
std::string noted_sha256(const std::filesystem::path& target);

/// Of a whole file. Errors: kFile, TransferCancelled.
std::string sha256_of(const std::filesystem::path& path, const GoOn& go_on);

/// Removes `target`, and what is hidden beside it. Errors: kFile.
void remove_with_notes(const std::filesystem::path& target);

}  // namespace caldera::hub
