// The Responder of a connection: answers in HTTP's own words, put into an outbox.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "server/handler.hpp"
#include "server/outbox.hpp"

namespace caldera::server {

/// What an answer needs to know of its request.
struct AnswerContext {
  std::string path;  ///< whose dialect errors are in
  std::string request_id;
  Headers headers;         ///< of every answer to it, whatever its status
  bool head_only = false;  ///< HEAD
  bool http_1_0 = false;   ///< no chunks: a stream ends with the connection
  bool keep_alive = false;
};

/// What the connection learns of the answer.
struct AnswerState {
  std::atomic<int> status{0};  ///< 0: none yet
  std::atomic<bool> keep_alive{false};
  std::atomic<bool> events{false};
};

class Answer : public Responder {
 public:
  /// `draining`: once it is set, connections end with the answer.
  Answer(AnswerContext context, std::shared_ptr<Outbox> outbox, std::shared_ptr<AnswerState> state,
         std::shared_ptr<const std::atomic<bool>> draining);
  ~Answer() override;

  void send(int status, std::string body, Headers headers = {},
            std::string_view content_type = "application/json") override;
  void begin_events(Headers headers = {}) override;
  bool event(std::string_view data, std::string_view name = {}) override;
  bool raw(std::string_view bytes) override;
  void end() override;
  bool closed() const override { return outbox_->closed(); }
  void on_closed(std::function<void()> callback) override { outbox_->on_closed(std::move(callback)); }

 private:
  /// Status line and headers, up to the empty line.
  std::string head(int status, const Headers& headers);

  AnswerContext context_;
  std::shared_ptr<Outbox> outbox_;
  std::shared_ptr<AnswerState> state_;
  std::shared_ptr<const std::atomic<bool>> draining_;
};

/// `data` as one server-sent event: each of its lines as a "data:" line.
std::string format_event(std::string_view data, std::string_view name);

/// `bytes` as one chunk of a chunked body, RFC 9112 section 7.1.
std::string chunk(std::string_view bytes);

}  // namespace caldera::server
