#include "gguf/output_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

#include "caldera/error.hpp"
#include "gguf/system_message.hpp"

namespace caldera::gguf {

OutputFile::OutputFile(std::filesystem::path path) : path_(std::move(path)) {
  static std::atomic<uint32_t> serial{0};
  constexpr int kAttempts = 100;  // a name may be left over from a process that was killed
  for (int attempt = 0; attempt < kAttempts && descriptor_ < 0; ++attempt) {
    temporary_ = path_;
    temporary_ += fmt::format(".{}-{}.partial", ::getpid(), serial++);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST) break;
  }
  if (descriptor_ < 0) fail("cannot be written", errno);
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      fail("writing failed", errno);
    }
    offset_ += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void OutputFile::pad(uint64_t alignment) {
  const uint64_t beyond = offset_ % alignment;
  if (beyond != 0) write(std::vector<std::byte>(static_cast<size_t>(alignment - beyond)));
}

void OutputFile::commit() {
  if (::close(std::exchange(descriptor_, -1)) != 0) fail("writing failed", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be written", errno);
  temporary_.clear();
}

void OutputFile::fail(const char* what, int error) const {
  throw Error(ErrorKind::kFile, fmt::format("{}: {}: {}", path_.string(), what, system_message(error)));
}

}  // namespace caldera::gguf
