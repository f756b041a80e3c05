#include "cli/interrupt.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "cli/exit_codes.hpp"

namespace caldera::cli::interrupt {
namespace {

volatile sig_atomic_t count = 0;
volatile sig_atomic_t most = 2;  // one more ends the program
int wake_pipe[2] = {-1, -1};

void on_signal(int) {
  const int saved = errno;
  if (count >= most) _exit(kInterruptedCode);
  count = count + 1;
  const char byte = 0;
  [[maybe_unused]] const ssize_t written = write(wake_pipe[1], &byte, 1);  // full: it is readable anyway
  errno = saved;
}

void handle(int signal) {
  struct sigaction action = {};
  action.sa_handler = on_signal;  // without SA_RESTART: a blocked write must come back
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

}  // namespace

void install() {
  if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe2");
  }
  handle(SIGINT);
  signal(SIGPIPE, SIG_IGN);
}

void install_for_service() {
  most = 1;
  handle(SIGTERM);
}

bool pending() noexcept {
  return count > 0;
}

void clear() noexcept {
  count = 0;
  char bytes[16];
  while (read(wake_pipe[0], bytes, sizeof bytes) > 0) {
  }
}

int descriptor() noexcept {
  return wake_pipe[0];
}

}  // namespace caldera::cli::interrupt
