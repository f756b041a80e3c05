// One line for each request that was answered, and for what happens to the server.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace caldera::server {

enum class LogFormat {
  kNone,
  kText,  ///< "2026-01-31T12:00:00.123Z POST /v1/chat/completions 200 1.234 s, 512 in, 2048 out, ..."
  kJson,  ///< an object a line
};

/// How an exchange ended.
enum class Ending {
  kComplete,
  kGone,     ///< the client left first
  kDropped,  ///< the client read too slowly
  kTimeout,
};
const char* ending_name(Ending ending);

struct LogEntry {
  std::string_view id;
  std::string_view client;
  std::string_view remote;
  std::string_view method;
  std::string_view path;
  int status = 0;
  double seconds = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  Ending ending = Ending::kComplete;
  std::string_view body;  ///< of the request, where prompts are to be logged
};

/// Writes to standard error from a thread of its own: a reader of it that stops does not stop the server, it
/// loses lines.
class RequestLog {
 public:
  explicit RequestLog(LogFormat format, bool bodies = false);
  ~RequestLog();
  RequestLog(const RequestLog&) = delete;
  RequestLog& operator=(const RequestLog&) = delete;

  bool bodies() const { return bodies_; }  ///< whether LogEntry::body is wanted
  void write(const LogEntry& entry);
  /// Something that is no request: "draining".
  void note(std::string_view message);

 private:
  void add(std::string line);
  void run();

  const LogFormat format_;
  const bool bodies_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;
  uint64_t lost_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace caldera::server
