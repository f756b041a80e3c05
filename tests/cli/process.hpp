// The program under test, driven as a user does: by arguments, pipes and a terminal.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace caldera::test {

using Seconds = std::chrono::duration<double>;

struct Result {
  int code =
      -1;  ///< the exit code; 128 + the signal that ended it; -1 if it had to be killed for taking too long
  std::string out;
  std::string err;
};

struct Launch {
  std::string input;                               ///< what standard input holds
  bool hold_input = false;                         ///< standard input stays open after that
  std::map<std::string, std::string> environment;  ///< set on top of the test's own
  size_t close_output_after = SIZE_MAX;   ///< bytes after which the reader of standard output goes away
  std::optional<double> interrupt_after;  ///< seconds until SIGINT is sent
  std::string interrupt_at;               ///< SIGINT is sent when standard output holds this
  Seconds limit{60};
};

/// Runs `program` to its end.
Result run(const std::string& program, const std::vector<std::string>& arguments, const Launch& launch = {});

/// A program at a terminal of its own.
class Terminal {
 public:
  Terminal(const std::string& program, const std::vector<std::string>& arguments,
           const std::map<std::string, std::string>& environment = {});
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void send(const std::string& keys);
  /// Waits until `text` comes; what was written up to its end is taken. False after `limit`.
  bool expect(const std::string& text, Seconds limit = Seconds(60));
  /// Waits for the end; -1 if it does not come.
  int wait(Seconds limit = Seconds(60));
  const std::string& transcript() const { return transcript_; }
  /// What came after the last text that was expected.
  std::string rest() const { return transcript_.substr(taken_); }
  pid_t pid() const { return pid_; }

 private:
  bool pump(Seconds limit);

  pid_t pid_ = -1;
  int descriptor_ = -1;
  std::string transcript_;
  size_t taken_ = 0;
  std::optional<int> code_;
};

/// A folder of this test's own, removed with it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  std::string string() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, const std::string& content);
std::string read_file(const std::filesystem::path& path);

/// Lines of `text`.
size_t count_lines(const std::string& text);

}  // namespace caldera::test
