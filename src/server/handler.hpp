// What answers an HTTP request: the interface between the front (connections, limits, keys) and what serves
// the endpoints. Nothing of the HTTP library shows here.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace caldera::server {

struct Header {
  std::string name;
  std::string value;
};
using Headers = std::vector<Header>;

/// A whole request: its body has arrived, its key was checked, its limits kept.
struct Request {
  std::string method;                   ///< "POST"
  std::string path;                     ///< percent-decoded, without the query: "/v1/models/a b"
  std::vector<std::string> parameters;  ///< what the {...} of the route matched, in order
  std::string query;                    ///< behind the '?', as it came
  Headers headers;
  std::string body;
  std::string remote;  ///< the peer's address, "127.0.0.1"
  /// Whose turn it takes, for CompletionRequest::client: derived from the API key where one was given, else
  /// the address. Says nothing of the key itself.
  std::string client;
  std::string id;  ///< of this request, for logs and the x-request-id header: "req_1f3a..."

  /// The first header of that name, any case; nothing where there is none.
  const std::string* header(std::string_view name) const;
  /// The value of `name` in the query, percent-decoded; nothing where there is none.
  std::string query_value(std::string_view name) const;
};

/// The way back to the client. Every call is safe from any thread and returns at once; those that come after
/// the end, or after the client has gone, do nothing. Let go of unanswered, it answers 500.
class Responder {
 public:
  virtual ~Responder() = default;

  /// The whole answer, once, instead of begin_events().
  virtual void send(int status, std::string body, Headers headers = {},
                    std::string_view content_type = "application/json") = 0;

  /// Begins a stream of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html):
  /// status 200, text/event-stream.
  virtual void begin_events(Headers headers = {}) = 0;
  /// One event: "event: NAME" where `name` is not empty, then `data`, each of its lines as a "data:" line.
  /// False when nobody listens any more: the client has gone, or reads so slowly that it was dropped.
  virtual bool event(std::string_view data, std::string_view name = {}) = 0;
  /// Bytes of the stream as they are: comments (": ping\n\n"). False as event() says.
  virtual bool raw(std::string_view bytes) = 0;
  /// Ends the stream.
  virtual void end() = 0;

  /// Whether the client has gone, or was dropped, before the answer was complete.
  virtual bool closed() const = 0;
  /// `callback` is called once if that happens, or at once if it has: by a thread of the front, which must
  /// not be kept waiting. It is forgotten when the answer is complete. A later one takes its place.
  virtual void on_closed(std::function<void()> callback) = 0;
};

/// Answers a request now, or keeps the responder and answers later from any thread. Called by one of a few
/// threads that are there for it: it may compute (templates, tokens, schemas), and must not wait for a model.
/// What it throws becomes an answer: Error of kUsage, kInput, kContext 400, others 500.
using Handler = std::function<void(Request request, std::shared_ptr<Responder> responder)>;

}  // namespace caldera::server
