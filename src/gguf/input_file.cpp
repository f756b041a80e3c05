#include "gguf/input_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "caldera/error.hpp"

namespace caldera::gguf {
namespace {

std::string system_message(int error) {
  return std::generic_category().message(error);
}

}  // namespace

InputFile::InputFile(std::filesystem::path path) : path_(std::move(path)) {
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) {
    throw Error(ErrorKind::kFile, fmt::format("{}: cannot be opened: {}; check the path", path_.string(),
                                              system_message(errno)));
  }
  struct stat status {};
  const bool known = ::fstat(descriptor_, &status) == 0;
  if (known && S_ISREG(status.st_mode)) {
    size_ = static_cast<uint64_t>(status.st_size);
    return;
  }
  ::close(std::exchange(descriptor_, -1));
  if (known && S_ISDIR(status.st_mode)) {
    throw Error(ErrorKind::kFile, fmt::format("{}: is a folder; give the .gguf file in it", path_.string()));
  }
  throw Error(ErrorKind::kFile, fmt::format("{}: is not a regular file; give a .gguf file", path_.string()));
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)), size_(other.size_) {}

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  return *this;
}

InputFile::~InputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void InputFile::read_at(uint64_t offset, std::span<std::byte> out, const std::string& what) const {
  while (!out.empty()) {
    constexpr size_t kMost = size_t{1} << 30;  // one call reads 2 GiB at most on Linux
    const ssize_t got =
        ::pread(descriptor_, out.data(), std::min(out.size(), kMost), static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      throw Error(ErrorKind::kFile, fmt::format("{}: reading {} at byte {} failed: {}", path_.string(), what,
                                                offset, system_message(errno)));
    }
    if (got == 0) {
      throw Error(
          ErrorKind::kFile,
          fmt::format(
              "{}: the file ends at byte {} inside {}: it has become shorter than the {} bytes it had "
              "when it was opened; do not change a model in use",
              path_.string(), offset, what, size_));
    }
    offset += static_cast<uint64_t>(got);
    out = out.subspan(static_cast<size_t>(got));
  }
}

}  // namespace caldera::gguf
