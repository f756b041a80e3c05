#include "gguf/mapped_file.hpp"

#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "caldera/error.hpp"
#include "gguf/input_file.hpp"
#include "gguf/system_message.hpp"

namespace caldera::gguf {
namespace {

// From linux/mman.h of Linux 5.14, which glibc's header may not know yet.
constexpr int kPopulateRead = 22;

}  // namespace

MappedFile::MappedFile(const File& file, uint32_t index)
    : path_(file.input(index).path()), size_(static_cast<size_t>(file.input(index).size())) {
  void* const address = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.input(index).descriptor(), 0);
  if (address == MAP_FAILED) {
    throw Error(ErrorKind::kFile,
                fmt::format("{}: its {} bytes cannot be mapped: {}; load it by copying instead",
                            path_.string(), size_, system_message(errno)));
  }
  data_ = static_cast<const std::byte*>(address);
  // Fewer and larger pages are faster to walk, for devices too; few file systems have them, so a refusal is
  // ordinary.
  ::madvise(address, size_, MADV_HUGEPAGE);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::populate(uint64_t offset, uint64_t bytes) const {
  if (offset > size_ || bytes > size_ - offset) {
    throw Error(ErrorKind::kInternal, fmt::format("{} bytes at {} do not lie in the {} that are mapped of {}",
                                                  bytes, offset, size_, path_.string()));
  }
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t first = offset / page * page;
  auto* const address = const_cast<std::byte*>(data_ + first);
  const auto length = static_cast<size_t>(offset + bytes - first);
  int result = 0;
  do {
    result = ::madvise(address, length, kPopulateRead);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return;
  if (errno == EINVAL) {  // an older kernel
    ::madvise(address, length, MADV_WILLNEED);
    return;
  }
  // EFAULT stands for the SIGBUS that touching these pages would raise.
  throw Error(
      ErrorKind::kFile,
      fmt::format("{}: mapping {} bytes at byte {} failed: {}", path_.string(), bytes, offset,
                  errno == EFAULT ? "the file has become shorter, or the disk failed; do not change a "
                                    "model in use"
                                  : system_message(errno)));
}

}  // namespace caldera::gguf
