#include "server/answer.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "server/api_error.hpp"
#include "server/status_text.hpp"

namespace caldera::server {
namespace {

/// A header's value cannot hold line ends: whoever put one there would write headers of their own.
std::string one_line(std::string_view value) {
  std::string line(value);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return line;
}

}  // namespace

std::string format_event(std::string_view data, std::string_view name) {
  std::string event;
  event.reserve(data.size() + name.size() + 16);
  if (!name.empty()) event.append("event: ").append(name).append("\n");
  while (true) {
    const size_t end = data.find_first_of("\r\n");
    event.append("data: ").append(data.substr(0, end)).append("\n");
    if (end == std::string_view::npos) break;
    const bool pair = data[end] == '\r' && end + 1 < data.size() && data[end + 1] == '\n';
    data.remove_prefix(end + (pair ? 2 : 1));
  }
  return event.append("\n");
}

std::string chunk(std::string_view bytes) {
  return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

Answer::Answer(AnswerContext context, std::shared_ptr<Outbox> outbox, std::shared_ptr<AnswerState> state,
               std::shared_ptr<const std::atomic<bool>> draining)
    : context_(std::move(context)),
      outbox_(std::move(outbox)),
      state_(std::move(state)),
      draining_(std::move(draining)) {}

Answer::~Answer() {
  try {
    if (outbox_->begun()) {
      end();
    } else {
      send_error(*this, dialect_of(context_.path),
                 {.status = 500, .message = "internal error: the request was let go of unanswered"},
                 context_.request_id);
    }
  } catch (...) {  // no memory for it: the client's own time limit is left
    outbox_->finish();
  }
}

std::string Answer::head(int status, const Headers& headers) {
  const bool keep = context_.keep_alive && !*draining_;
  state_->status = status;
  state_->keep_alive = keep;
  std::string text =
      fmt::format("HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S GMT}\r\nServer: caldera\r\n", status,
                  status_text(status), fmt::gmtime(std::time(nullptr)));
  const auto add = [&](const Header& header) {
    text += fmt::format("{}: {}\r\n", header.name, one_line(header.value));
  };
  for (const Header& header : context_.headers) add(header);
  for (const Header& header : headers) add(header);
  add({"Connection", keep ? "keep-alive" : "close"});
  return text;
}

void Answer::send(int status, std::string body, Headers headers, std::string_view content_type) {
  if (!outbox_->begin()) return;
  std::string text = head(status, headers);
  if (status != 204 && status != 304) {
    text += fmt::format("Content-Type: {}\r\nContent-Length: {}\r\n", content_type, body.size());
  }
  text += "X-Content-Type-Options: nosniff\r\n\r\n";
  if (!context_.head_only && status != 204 && status != 304) text += body;
  outbox_->add_all(std::move(text));
}

void Answer::begin_events(Headers headers) {
  if (!outbox_->begin()) return;
  if (context_.http_1_0) context_.keep_alive = false;
  std::string text = head(200, headers);
  // X-Accel-Buffering: nginx would collect the stream before it passes it on.
  text +=
      "Content-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nX-Accel-Buffering: "
      "no\r\n";
  if (!context_.http_1_0) text += "Transfer-Encoding: chunked\r\n";
  text += "\r\n";
  outbox_->add(text);
  state_->events = !context_.head_only;  // from now on the connection may add comments
  if (context_.head_only) outbox_->finish();
}

bool Answer::event(std::string_view data, std::string_view name) {
  return raw(format_event(data, name));
}

bool Answer::raw(std::string_view bytes) {
  if (!state_->events) return false;
  // An empty chunk would end the stream.
  if (bytes.empty()) return !outbox_->closed();
  return context_.http_1_0 ? outbox_->add(bytes) : outbox_->add(chunk(bytes));
}

void Answer::end() {
  if (!outbox_->begun()) return;
  if (state_->events && !context_.http_1_0) outbox_->add("0\r\n\r\n");
  outbox_->finish();
}

}  // namespace caldera::server
