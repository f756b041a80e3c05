#include "memory/holder.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <stdexcept>

namespace caldera::test {
namespace {

constexpr std::chrono::minutes kPatience(10);
constexpr int kSampleMilliseconds = 5;

}  // namespace

Holder::Holder(const std::filesystem::path& file, const std::string& way) {
  int in[2];
  int out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("no process");
  if (pid_ == 0) {
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::execl(CALDERA_HOLD_MODEL, CALDERA_HOLD_MODEL, file.c_str(), way.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  input_ = in[1];
  output_ = out[0];
}

Holder::~Holder() {
  ::close(input_);
  ::close(output_);
  ::waitpid(pid_, nullptr, 0);
}

std::string Holder::wait_until_ready() {
  std::string said;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (said.find("ready") == std::string::npos) {
    peak_ = std::max(peak_, process_memory(pid_).own());
    pollfd wait{output_, POLLIN, 0};
    if (::poll(&wait, 1, kSampleMilliseconds) == 0) {
      if (std::chrono::steady_clock::now() < end) continue;
      ::kill(pid_, SIGKILL);
      return {};
    }
    char bytes[256];
    const ssize_t got = ::read(output_, bytes, sizeof bytes);
    if (got <= 0) return {};
    said.append(bytes, static_cast<size_t>(got));
  }
  return said;
}

}  // namespace caldera::test
