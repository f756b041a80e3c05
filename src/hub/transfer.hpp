// HTTP GET, by libcurl.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace caldera::hub {

/// What a server answered, redirects followed.
struct Reply {
  long status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;                            ///< of what is no success, its beginning
  /// Empty where there is none.
  std::string header(const std::string& name) const;
};

/// No whole answer came.
class TransferError : public std::runtime_error {
 public:
  TransferError(const std::string& message, bool transient)
      : std::runtime_error(message), transient_(transient) {}
  bool transient() const { return transient_; }  ///< another try may succeed

 private:
  bool transient_;
};

/// The caller's go_on() said no.
class TransferCancelled : public std::exception {};

struct TransferOptions {
  std::string user_agent = "caldera";
  std::chrono::seconds connect_time{30};
  std::chrono::seconds stall_time{60};  ///< without a byte, after which a transfer has failed
};

/// One after the other, over connections that are kept. Redirects are followed, never from https to http; a
/// token goes to the host that was asked alone.
class Transfer {
 public:
  explicit Transfer(TransferOptions options = {});
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  struct Request {
    std::string url;
    std::string token;                 ///< sent as Authorization: Bearer; or empty
    std::vector<std::string> headers;  ///< "Range: bytes=100-"
  };
  /// Takes a piece of the body of an answer with status 200 or 206; what it throws reaches the caller.
  using Sink = std::function<void(const Reply& head, std::span<const std::byte> piece)>;

  /// Errors: TransferError, TransferCancelled. `go_on` is asked several times a second.
  Reply get(const Request& request, const Sink& sink, const std::function<bool()>& go_on);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// `path` as part of a URL: every byte but letters, digits and "-._~/" escaped (RFC 3986).
std::string url_path(const std::string& path);

}  // namespace caldera::hub
