#include "cli/process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace caldera::test {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void execute(const std::string& program, const std::vector<std::string>& arguments,
                          const std::map<std::string, std::string>& environment) {
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> words = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  signal(SIGINT, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  execv(program.c_str(), words.data());
  _exit(127);
}

int exit_code(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct Pipe {
  int reader = -1;
  int writer = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == 0) reader = ends[0], writer = ends[1];
  }
  ~Pipe() { close_both(); }
  void close_reader() { close(std::exchange(reader, -1)); }
  void close_writer() { close(std::exchange(writer, -1)); }
  void close_both() {
    if (reader >= 0) close_reader();
    if (writer >= 0) close_writer();
  }
};

/// Reads what is there; closes the reader at the end of the stream.
void take(Pipe& pipe, std::string& text) {
  char buffer[1 << 16];
  const ssize_t got = read(pipe.reader, buffer, sizeof buffer);
  if (got > 0) {
    text.append(buffer, static_cast<size_t>(got));
  } else if (got == 0 || errno != EINTR) {
    pipe.close_reader();
  }
}

}  // namespace

Result run(const std::string& program, const std::vector<std::string>& arguments, const Launch& launch) {
  Pipe in, out, err;
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(in.reader, STDIN_FILENO);
    dup2(out.writer, STDOUT_FILENO);
    dup2(err.writer, STDERR_FILENO);
    execute(program, arguments, launch.environment);
  }
  in.close_reader();
  out.close_writer();
  err.close_writer();
  signal(SIGPIPE, SIG_IGN);  // the program may end without reading its input
  fcntl(in.writer, F_SETFL, O_NONBLOCK);

  Result result;
  const auto start = Clock::now();
  size_t given = 0;
  bool interrupted = false;
  while (out.reader >= 0 || err.reader >= 0) {
    if (Clock::now() - start > launch.limit) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
      return result;
    }
    if (in.writer >= 0 && given == launch.input.size() && !launch.hold_input) in.close_writer();
    pollfd waits[3] = {{given < launch.input.size() ? in.writer : -1, POLLOUT, 0},
                       {out.reader, POLLIN, 0},
                       {err.reader, POLLIN, 0}};
    poll(waits, 3, 20);
    if (waits[0].revents != 0) {
      const ssize_t written = write(in.writer, launch.input.data() + given, launch.input.size() - given);
      if (written > 0) given += static_cast<size_t>(written);
      if (written < 0 && errno != EAGAIN) in.close_writer();
    }
    if (out.reader >= 0 && waits[1].revents != 0) take(out, result.out);
    if (err.reader >= 0 && waits[2].revents != 0) take(err, result.err);
    if (out.reader >= 0 && result.out.size() > launch.close_output_after) out.close_reader();
    const bool due = launch.interrupt_after && Clock::now() - start > Seconds(*launch.interrupt_after);
    const bool seen =
        !launch.interrupt_at.empty() && result.out.find(launch.interrupt_at) != std::string::npos;
    if (!interrupted && (due || seen)) {
      kill(pid, SIGINT);
      interrupted = true;
    }
  }
  int status = 0;
  waitpid(pid, &status, 0);
  result.code = exit_code(status);
  return result;
}

Terminal::Terminal(const std::string& program, const std::vector<std::string>& arguments,
                   const std::map<std::string, std::string>& environment) {
  const winsize size = {24, 200, 0, 0};
  pid_ = forkpty(&descriptor_, nullptr, nullptr, &size);
  if (pid_ == 0) execute(program, arguments, environment);
}

Terminal::~Terminal() {
  if (!code_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(descriptor_);
}

void Terminal::send(const std::string& keys) {
  ASSERT_EQ(write(descriptor_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
}

bool Terminal::pump(Seconds limit) {
  pollfd wait = {descriptor_, POLLIN, 0};
  if (poll(&wait, 1, static_cast<int>(std::max(0.0, limit.count() * 1000))) <= 0) return false;
  char buffer[4096];
  const ssize_t got = read(descriptor_, buffer, sizeof buffer);
  if (got <= 0) return false;  // EIO: the other side is closed
  transcript_.append(buffer, static_cast<size_t>(got));
  return true;
}

bool Terminal::expect(const std::string& text, Seconds limit) {
  const auto end = Clock::now() + limit;
  for (;;) {
    const size_t found = transcript_.find(text, taken_);
    if (found != std::string::npos) {
      taken_ = found + text.size();
      return true;
    }
    if (!pump(end - Clock::now())) return false;
  }
}

int Terminal::wait(Seconds limit) {
  const auto end = Clock::now() + limit;
  while (pump(end - Clock::now())) {
  }
  int status = 0;
  while (!code_ && Clock::now() < end) {
    if (waitpid(pid_, &status, WNOHANG) == pid_) code_ = exit_code(status);
    if (!code_) usleep(10000);
  }
  return code_.value_or(-1);
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "caldera-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_file(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string read_file(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

size_t count_lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace caldera::test
