// A client of bare bytes: what the server must withstand, well-behaved libraries do not send.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace caldera::test {

using std::chrono::milliseconds;

struct HttpAnswer {
  int status = 0;                              ///< 0: none came
  std::map<std::string, std::string> headers;  ///< names in small letters
  std::string body;                            ///< chunks put together
};

class HttpClient {
 public:
  /// Connects to 127.0.0.1. `receive_buffer`: what the kernel takes for a client that does not read.
  explicit HttpClient(uint16_t port, int receive_buffer = 0);
  ~HttpClient();
  HttpClient(HttpClient&& other) noexcept;
  HttpClient(const HttpClient&) = delete;

  /// False where the server has closed.
  bool send(std::string_view bytes);
  void finish_sending();  ///< half-closes
  void close();
  /// Closes without a goodbye: the server meets a reset.
  void reset();

  /// The next answer, whole. `head`: of a HEAD request, which has no body.
  HttpAnswer answer(milliseconds limit = milliseconds(5000), bool head = false);
  /// send() and answer().
  HttpAnswer ask(std::string_view bytes);
  /// What has come and was not taken; waits until it holds `text`, the connection ends, or `limit`.
  const std::string& read_until(std::string_view text, milliseconds limit = milliseconds(5000));
  /// Whether the server closes within `limit`; what comes before is kept.
  bool closed(milliseconds limit = milliseconds(5000));

 private:
  bool fill(std::chrono::steady_clock::time_point end);

  int descriptor_ = -1;
  bool ended_ = false;
  std::string input_;
};

/// "GET PATH HTTP/1.1" with a Host and `headers`, each with its line end.
std::string get(std::string_view path, std::string_view headers = {});
std::string post(std::string_view path, std::string_view body, std::string_view headers = {});

}  // namespace caldera::test
