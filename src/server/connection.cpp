#include "server/connection.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <random>
#include <utility>

#include "caldera/error.hpp"

namespace caldera::server {
namespace {

using boost::system::error_code;
using Clock = Connection::Clock;

constexpr size_t kReadBytes = size_t{16} << 10;
constexpr size_t kMostAhead = size_t{64} << 10;     // of requests that come before the last was answered
constexpr size_t kMostLingered = size_t{64} << 20;  // of a refused body
constexpr std::chrono::seconds kLinger{2};
constexpr int kSendBuffer = 256 << 10;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kPing = ": ping\n\n";

std::string new_id() {
  static std::atomic<uint64_t> next{std::random_device{}() | uint64_t{std::random_device{}()} << 32};
  return fmt::format("req_{:016x}", next.fetch_add(0x9E3779B97F4A7C15));  // odd: no id twice
}

void set(int descriptor, int level, int name, int value) {
  setsockopt(descriptor, level, name, &value, sizeof value);
}

/// A peer that vanished without a word is noticed after about a minute, and one that takes nothing of what
/// was sent too. The kernel holds little for a client that does not read: what waits is counted here.
void set_options(int descriptor) {
  set(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, 60'000);
  set(descriptor, SOL_SOCKET, SO_SNDBUF, kSendBuffer);
}

/// Runs `handler`, and makes answers of what it throws.
void handle(const Handler& handler, Request request, const std::shared_ptr<Answer>& answer) {
  const Dialect dialect = dialect_of(request.path);
  const std::string id = request.id;
  ApiError failure;
  try {
    handler(std::move(request), answer);
    return;
  } catch (const Error& error) {
    failure = api_error(error);
  } catch (const std::bad_alloc&) {
    failure = {.status = 503, .message = "out of host memory"};
  } catch (const std::exception& error) {
    failure = {.status = 500, .message = fmt::format("internal error: {}", error.what())};
  }
  send_error(*answer, dialect, failure, id);
}

}  // namespace

Connection::Connection(std::shared_ptr<boost::asio::io_context> context, Socket socket, std::string remote,
                       Front& front)
    : context_(std::move(context)),
      socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      remote_(std::move(remote)),
      front_(front),
      read_buffer_(kReadBytes) {}

void Connection::start() {
  boost::asio::post(socket_.get_executor(), [self = shared_from_this()] {
    set_options(self->socket_.native_handle());
    self->become(Stage::kIdle, self->front_.options.limits.idle_time);
    self->read();
  });
}

void Connection::close_if_idle() {
  boost::asio::post(socket_.get_executor(), [self = shared_from_this()] {
    if (self->stage_ == Stage::kIdle) self->close();
  });
}

void Connection::close_now() {
  boost::asio::post(socket_.get_executor(), [self = shared_from_this()] { self->lose(Ending::kTimeout); });
}

std::optional<Clock::time_point> Connection::idle_since() const {
  const Clock::rep ticks = idle_since_;
  if (ticks == 0) return std::nullopt;
  return Clock::time_point(Clock::duration(ticks));
}

// Reading.

void Connection::read() {
  socket_.async_read_some(
      boost::asio::buffer(read_buffer_),
      [self = shared_from_this()](const error_code& code, size_t bytes) { self->on_read(code, bytes); });
}

void Connection::on_read(const error_code& code, size_t bytes) {
  if (stage_ == Stage::kClosed) return;
  // The end of what a client sends counts as its leaving: nobody tells a half-closed connection from a closed
  // one before writing to it.
  if (code) return lose(Ending::kGone);
  if (stage_ == Stage::kLingering) {
    lingered_ += bytes;
    if (lingered_ > kMostLingered) close();
  } else {
    input_.append(read_buffer_.data(), bytes);
    if (stage_ != Stage::kAnswering) {
      consume();
    } else if (input_.size() > kMostAhead) {
      lose(Ending::kDropped);
    }
  }
  front_.metrics.bytes_in += bytes;  // once they had their effect
  if (stage_ != Stage::kClosed) read();
}

void Connection::consume() {
  const Limits& limits = front_.options.limits;
  while (stage_ == Stage::kIdle || stage_ == Stage::kHeaders || stage_ == Stage::kBody) {
    if (stage_ == Stage::kIdle) {
      // RFC 9112 section 2.2: empty lines before a request are no part of it.
      input_.erase(0, std::min(input_.find_first_not_of("\r\n"), input_.size()));
      if (input_.empty()) return;
      parser_.emplace(limits);
      share_ = std::make_unique<BodyBudget::Share>(front_.bodies);
      request_bytes_ = 0;
      become(Stage::kHeaders, limits.header_time);
    }
    const size_t used = parser_->read(input_);
    input_.erase(0, used);
    request_bytes_ += used;
    if (parser_->error()) return refuse(*parser_->error());
    if (!share_->grow(parser_->request().body.size())) {
      return refuse({.status = 503,
                     .message = "too many large requests at once: try again",
                     .retry_after = std::chrono::seconds(1)});
    }
    const bool first = stage_ == Stage::kHeaders && parser_->has_headers();
    if (first && !begin_body()) return;
    if (parser_->is_done()) return dispatch();
    if (input_.size() > limits.header_bytes) {
      return refuse({.status = 431, .message = "the lines between the parts of a chunked body are too long"});
    }
    if (input_.empty() || (used == 0 && !first)) return;
  }
}

bool Connection::begin_body() {
  Request& request = parser_->request();
  request.remote = remote_;
  request.id = new_id();
  become(Stage::kBody, front_.options.limits.body_time);
  if (*front_.draining) {
    refuse(
        {.status = 503, .message = "the server is shutting down", .retry_after = std::chrono::seconds(10)});
    return false;
  }
  if (const std::optional<Headers> allowed = front_.gate.preflight(request)) {
    make_answer(parser_->keep_alive() && parser_->is_done())->send(204, {}, *allowed);
    return false;
  }
  if (const std::optional<ApiError> error = front_.gate.check(request)) {
    refuse(*error, error->status == 401 ? Headers{{"WWW-Authenticate", "Bearer"}} : Headers{});
    return false;
  }
  Router::Match match = front_.router.find(request.method, request.path);
  if (match.route == nullptr) {
    refuse(match.error, match.allow.empty() ? Headers{} : Headers{{"Allow", match.allow}});
    return false;
  }
  route_ = match.route;
  parameters_ = std::move(match.parameters);
  if (parser_->expects_continue() && !parser_->is_done() && !writing_) {
    output_ = kContinue;
    from_outbox_ = false;
    write_some();
  }
  return true;
}

void Connection::dispatch() {
  const std::shared_ptr<Answer> answer = make_answer(parser_->keep_alive());
  Request request = std::move(parser_->request());
  request.parameters = std::move(parameters_);
  parser_->request() = logged_;  // for an answer of the front's own, should this one take too long
  front_.run_handler([answer, request = std::move(request), share = std::shared_ptr(std::move(share_)),
                      handler = route_->handler]() mutable {
    handle(handler, std::move(request), answer);
    share.reset();
  });
}

void Connection::refuse(const ApiError& error, Headers headers) {
  if (parser_->request().id.empty()) parser_->request().id = new_id();
  const Request& request = parser_->request();
  if (error.retry_after) headers.push_back({"Retry-After", fmt::to_string(error.retry_after->count())});
  // With a body that was not read, where the next request begins is not known.
  const bool keep_alive = !parser_->error() && parser_->is_done() && parser_->keep_alive();
  const std::string body = error_body(dialect_of(request.path), error, request.id);
  make_answer(keep_alive)->send(error.status, body, std::move(headers));
}

std::shared_ptr<Answer> Connection::make_answer(bool keep_alive) {
  const Request& request = parser_->request();
  logged_ = Request{.method = request.method,
                    .path = request.path,
                    .headers = request.headers,
                    .client = request.client,
                    .id = request.id};
  if (front_.log.bodies()) logged_.body = request.body;
  http_1_0_ = parser_->http_1_0();
  began_ = Clock::now();
  answer_bytes_ = 0;
  state_ = std::make_shared<AnswerState>();
  outbox_ = std::make_shared<Outbox>(front_.options.limits.unread_bytes, [weak = weak_from_this()] {
    if (const std::shared_ptr<Connection> self = weak.lock()) {
      boost::asio::post(self->socket_.get_executor(), [self] { self->on_wake(); });
    }
  });
  become(Stage::kAnswering, front_.options.limits.request_time);
  Headers headers = front_.gate.cors_headers(request);
  headers.push_back({"X-Request-Id", request.id});
  return std::make_shared<Answer>(AnswerContext{.path = request.path,
                                                .request_id = request.id,
                                                .headers = std::move(headers),
                                                .head_only = request.method == "HEAD",
                                                .http_1_0 = http_1_0_,
                                                .keep_alive = keep_alive},
                                  outbox_, state_, front_.draining);
}

// Writing.

void Connection::on_wake() {
  if (stage_ != Stage::kAnswering) return;
  if (outbox_->overflowed()) return lose(Ending::kDropped);
  if (writing_) return;
  output_ = outbox_->take();
  if (!output_.empty()) {
    from_outbox_ = true;
    write_some();
  } else if (outbox_->done()) {
    finish_answer();
  }
}

void Connection::write_some() {
  if (!writing_) {
    writing_ = true;
    written_ = 0;
    progress_ = Clock::now();
  }
  socket_.async_write_some(
      boost::asio::buffer(output_.data() + written_, output_.size() - written_),
      [self = shared_from_this()](const error_code& code, size_t bytes) { self->on_written(code, bytes); });
}

void Connection::on_written(const error_code& code, size_t bytes) {
  if (stage_ == Stage::kClosed) return;
  if (code) return lose(Ending::kGone);
  front_.metrics.bytes_out += bytes;
  progress_ = Clock::now();
  written_ += bytes;
  if (from_outbox_) {
    answer_bytes_ += bytes;
    outbox_->sent(bytes);
  }
  if (written_ < output_.size()) return write_some();
  writing_ = false;
  output_ = {};
  on_wake();
}

void Connection::finish_answer() {
  record(Ending::kComplete);
  const bool keep_alive = state_->keep_alive && !*front_.draining;  // which may have begun since
  outbox_->close();
  outbox_.reset();
  state_.reset();
  parser_.reset();
  share_.reset();
  if (!keep_alive) return linger();
  become(Stage::kIdle, front_.options.limits.idle_time);
  consume();
}

void Connection::record(Ending ending) {
  const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  if (ending == Ending::kGone) ++front_.metrics.gone_clients;
  if (ending == Ending::kDropped) ++front_.metrics.dropped_clients;
  front_.metrics.count_request(route_ != nullptr ? std::string_view(route_->path) : "none", state_->status,
                               seconds);
  front_.log.write({.id = logged_.id,
                    .client = logged_.client,
                    .remote = remote_,
                    .method = logged_.method,
                    .path = logged_.path,
                    .status = state_->status,
                    .seconds = seconds,
                    .bytes_in = request_bytes_,
                    .bytes_out = answer_bytes_,
                    .ending = ending,
                    .body = logged_.body});
  route_ = nullptr;
}

// Time, and the end.

void Connection::become(Stage stage, Clock::duration time) {
  const Clock::time_point now = Clock::now();
  const Stage before = std::exchange(stage_, stage);
  deadline_ = now + time;
  idle_since_ = stage == Stage::kIdle ? std::max<Clock::rep>(now.time_since_epoch().count(), 1) : 0;
  count_answering(before);  // last: whoever reads of no request under way finds idle connections idle
  arm();
}

void Connection::count_answering(Stage before) {
  front_.metrics.requests_now += (stage_ == Stage::kAnswering) - (before == Stage::kAnswering);
}

void Connection::arm() {
  Clock::time_point next = deadline_;
  if (stage_ == Stage::kAnswering) {
    const Limits& limits = front_.options.limits;
    next = std::min({next, Clock::now() + limits.ping_time, Clock::now() + limits.write_time});
  }
  if (armed_ && *armed_ <= next) return;  // it looks again then
  armed_ = next;
  timer_.expires_at(next);
  timer_.async_wait([self = shared_from_this()](const error_code& code) {
    if (code || self->stage_ == Stage::kClosed) return;
    self->armed_.reset();
    self->on_time();
    if (self->stage_ != Stage::kClosed) self->arm();
  });
}

void Connection::on_time() {
  const Clock::time_point now = Clock::now();
  if (stage_ == Stage::kAnswering) return on_answer_time(now);
  if (now < deadline_) return;
  switch (stage_) {
    case Stage::kHeaders:
    case Stage::kBody:
      ++front_.metrics.timeouts;
      return refuse({.status = 408, .message = "the request did not arrive in time"});
    default:
      return close();
  }
}

void Connection::on_answer_time(Clock::time_point now) {
  const Limits& limits = front_.options.limits;
  if (writing_ && now >= progress_ + limits.write_time) return lose(Ending::kDropped);
  if (now >= deadline_) {
    ++front_.metrics.timeouts;
    if (writing_ || !outbox_->begin()) return lose(Ending::kTimeout);
    outbox_->close();  // whoever computes may stop
    const Clock::time_point began = began_;
    refuse(
        {.status = 504,
         .message = "the answer took longer than this server allows: ask for fewer tokens, or for a stream"});
    began_ = began;
    return;
  }
  if (state_->events && !writing_ && now >= progress_ + limits.ping_time) {
    outbox_->add(http_1_0_ ? std::string(kPing) : chunk(kPing));
  }
}

void Connection::linger() {
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  input_ = {};
  become(Stage::kLingering, kLinger);
}

void Connection::lose(Ending ending) {
  if (stage_ == Stage::kClosed) return;
  if (stage_ == Stage::kAnswering) {
    record(ending);
    if (ending != Ending::kGone) {
      // What the kernel holds for a client that does not read is given back at once.
      error_code ignored;
      socket_.set_option(boost::asio::socket_base::linger(true, 0), ignored);
    }
  }
  close();
}

void Connection::close() {
  if (stage_ == Stage::kClosed) return;
  const Stage before = std::exchange(stage_, Stage::kClosed);
  idle_since_ = 0;
  count_answering(before);
  const std::shared_ptr<Connection> self = shared_from_this();
  timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
  if (outbox_) outbox_->close();
  parser_.reset();
  share_.reset();
  front_.closed(*this);
}

}  // namespace caldera::server
