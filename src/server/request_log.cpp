#include "server/request_log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>

namespace caldera::server {
namespace {

constexpr size_t kMostWaiting = size_t{1} << 20;
constexpr int kLastWordsMs = 1000;  // for a reader that does not read, when the program ends

std::string now_text() {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03d}Z", fmt::gmtime(static_cast<std::time_t>(ms / 1000)),
                     ms % 1000);
}

/// What a client sent, safe for a terminal.
std::string printable(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '\\') {
      safe += fmt::format("\\x{:02x}", byte);
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string dump(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

const char* ending_name(Ending ending) {
  switch (ending) {
    case Ending::kComplete:
      return "complete";
    case Ending::kGone:
      return "gone";
    case Ending::kDropped:
      return "dropped";
    case Ending::kTimeout:
      return "timeout";
  }
  return "";
}

RequestLog::RequestLog(LogFormat format, bool bodies) : format_(format), bodies_(bodies) {
  if (format_ != LogFormat::kNone) thread_ = std::thread([this] { run(); });
}

RequestLog::~RequestLog() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void RequestLog::write(const LogEntry& entry) {
  if (format_ == LogFormat::kJson) {
    nlohmann::ordered_json line = {
        {"time", now_text()},         {"event", "request"},           {"id", entry.id},
        {"client", entry.client},     {"remote", entry.remote},       {"method", entry.method},
        {"path", entry.path},         {"status", entry.status},       {"seconds", entry.seconds},
        {"bytes_in", entry.bytes_in}, {"bytes_out", entry.bytes_out}, {"ending", ending_name(entry.ending)}};
    if (bodies_) line["body"] = entry.body;
    add(dump(line));
  } else if (format_ == LogFormat::kText) {
    std::string line =
        fmt::format("{} {} {} {} {:.3f} s, {} in, {} out, {}, {} {}", now_text(), printable(entry.method),
                    printable(entry.path), entry.status, entry.seconds, entry.bytes_in, entry.bytes_out,
                    ending_name(entry.ending), printable(entry.client), entry.id);
    if (bodies_) line += fmt::format(" body: {}", printable(entry.body));
    add(line + "\n");
  }
}

void RequestLog::note(std::string_view message) {
  if (format_ == LogFormat::kJson) {
    add(dump({{"time", now_text()}, {"event", "note"}, {"message", message}}));
  } else if (format_ == LogFormat::kText) {
    add(fmt::format("{} {}\n", now_text(), printable(message)));
  }
}

void RequestLog::add(std::string line) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() + line.size() > kMostWaiting) {
      ++lost_;
      return;
    }
    if (lost_ > 0) {
      const std::string message = fmt::format("{} lines of this log were lost", std::exchange(lost_, 0));
      waiting_ += format_ == LogFormat::kJson
                      ? dump({{"time", now_text()}, {"event", "note"}, {"message", message}})
                      : fmt::format("{} {}\n", now_text(), message);
    }
    waiting_ += line;
  }
  changed_.notify_one();
}

void RequestLog::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const std::string lines = std::exchange(waiting_, {});
    lock.unlock();
    std::string_view rest = lines;
    bool lost = false;
    while (!rest.empty() && !lost) {
      pollfd writable{STDERR_FILENO, POLLOUT, 0};
      bool stopping = false;
      {
        const std::lock_guard guard(mutex_);
        stopping = stopping_;
      }
      const int ready = poll(&writable, 1, kLastWordsMs);
      if (ready == 0 && stopping) return;
      if (ready <= 0) continue;
      // At most PIPE_BUF: what poll() promises a pipe takes without waiting.
      const ssize_t written = ::write(STDERR_FILENO, rest.data(), std::min<size_t>(rest.size(), 4096));
      if (written > 0) rest.remove_prefix(static_cast<size_t>(written));
      lost = written < 0 && errno != EAGAIN && errno != EINTR;
    }
    lock.lock();
  }
}

}  // namespace caldera::server
