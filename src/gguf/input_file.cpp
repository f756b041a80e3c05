#include "gguf/input_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "gguf/system_message.hpp"

namespace caldera::gguf {

namespace {

FileIdentity identity_of(const struct stat& status) {
  return {status.st_dev, status.st_ino, static_cast<uint64_t>(status.st_size),
          int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

}  // namespace

InputFile::InputFile(std::filesystem::path path) : path_(std::move(path)) {
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  descriptor_ = Descriptor(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!descriptor_) {
    throw Error(ErrorKind::kFile, fmt::format("{}: cannot be opened: {}; check the path", path_.string(),
                                              system_message(errno)));
  }
  struct stat status {};
  const bool known = ::fstat(descriptor(), &status) == 0;
  if (known && S_ISDIR(status.st_mode)) {
    throw Error(ErrorKind::kFile, fmt::format("{}: is a folder; give the .gguf file in it", path_.string()));
  }
  if (!known || !S_ISREG(status.st_mode)) {
    throw Error(ErrorKind::kFile,
                fmt::format("{}: is not a regular file; give a .gguf file", path_.string()));
  }
  // On some file systems io_uring takes O_NONBLOCK to mean that a read must not wait for the disk.
  ::fcntl(descriptor(), F_SETFL, 0);
  identity_ = identity_of(status);
}

void InputFile::read_at(uint64_t offset, std::span<std::byte> out, const std::string& what) const {
  while (!out.empty()) {
    constexpr size_t kMost = size_t{1} << 30;  // one call reads 2 GiB at most on Linux
    const ssize_t got =
        ::pread(descriptor(), out.data(), std::min(out.size(), kMost), static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      throw read_failed(offset, what, errno);
    }
    if (got == 0) throw became_shorter(offset, what);
    offset += static_cast<uint64_t>(got);
    out = out.subspan(static_cast<size_t>(got));
  }
}

Descriptor InputFile::open_direct() const {
  // Not by its path, which may name another file by now.
  const std::string self = fmt::format("/proc/self/fd/{}", descriptor());
  return Descriptor(::open(self.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT));
}

bool InputFile::in_page_cache() const {
  struct statfs system {};
  if (::fstatfs(descriptor(), &system) == 0 &&
      (system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC)) {
    return true;  // and nowhere else
  }
  constexpr uint64_t kSamples = 32;
  for (uint64_t i = 0; i < kSamples; ++i) {
    std::byte byte{};
    const iovec one{&byte, 1};
    const auto offset = static_cast<off_t>(size() / kSamples * i);
    if (::preadv2(descriptor(), &one, 1, offset, RWF_NOWAIT) != 1) return false;
  }
  return true;
}

void InputFile::demand_unchanged(uint64_t offset, const std::string& what) const {
  struct stat status {};
  if (::fstat(descriptor(), &status) != 0) throw read_failed(offset, what, errno);
  if (identity_of(status) != identity_) {
    throw Error(ErrorKind::kFile,
                fmt::format("{} changed while {} was read at byte {}; do not change a model in use",
                            path_.string(), what, offset));
  }
}

Error InputFile::read_failed(uint64_t offset, const std::string& what, int code) const {
  return {ErrorKind::kFile, fmt::format("{}: reading {} at byte {} failed: {}", path_.string(), what, offset,
                                        system_message(code))};
}

Error InputFile::became_shorter(uint64_t offset, const std::string& what) const {
  return {
      ErrorKind::kFile,
      fmt::format("{}: the file ends at byte {} inside {}: it has become shorter than the {} bytes it had "
                  "when it was opened; do not change a model in use",
                  path_.string(), offset, what, size())};
}

}  // namespace caldera::gguf
