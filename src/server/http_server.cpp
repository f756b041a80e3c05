#include "server/http_server.hpp"

#include <fmt/format.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <condition_variable>
#include <future>
#include <map>
#include <thread>
#include <unordered_map>
#include <vector>

#include "caldera/error.hpp"
#include "server/connection.hpp"

namespace caldera::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// For whom there is no connection left; its dialect is not known yet.
constexpr std::string_view kTooMany =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: "
    "close\r\n"
    "Content-Length: 95\r\n\r\n"
    R"({"error":{"message":"too many connections","type":"server_error","param":null,"code":null}}    )";
constexpr std::chrono::milliseconds kAcceptPause{100};

asio::ip::address parse_address(const std::string& address) {
  return asio::ip::make_address(address == "localhost" ? "127.0.0.1" : address);
}

}  // namespace

struct HttpServer::State {
  State(const ServerOptions& options, Metrics& metrics, RequestLog& log)
      : front(options, metrics, log), handlers(std::max(options.handler_threads, 1u)) {
    front.run_handler = [this](std::function<void()> job) { asio::post(handlers, std::move(job)); };
    front.closed = [this](Connection& connection) { remove(connection); };
  }

  void bind();
  void listen();
  [[noreturn]] void fail(const boost::system::system_error& error) const;
  void accept();
  void on_accepted(tcp::socket socket);
  bool make_room(const std::string& remote);
  void remove(Connection& connection);
  std::vector<std::shared_ptr<Connection>> all();
  void run();

  Front front;
  std::shared_ptr<asio::io_context> context = std::make_shared<asio::io_context>();
  asio::executor_work_guard<asio::io_context::executor_type> work{context->get_executor()};
  tcp::acceptor acceptor{asio::make_strand(*context)};
  asio::steady_timer pause{acceptor.get_executor()};
  asio::thread_pool handlers;
  std::vector<std::thread> threads;
  uint16_t port = 0;
  bool stopped = false;

  std::mutex mutex;
  std::condition_variable changed;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections;
  std::map<std::string, size_t> of_address;
};

void HttpServer::State::fail(const boost::system::system_error& error) const {
  throw Error(ErrorKind::kUsage,
              fmt::format("cannot listen on {} port {}: {}; another --host or --port may do",
                          front.options.address, front.options.port, error.code().message()));
}

void HttpServer::State::bind() {
  if (acceptor.is_open()) return;
  const tcp::endpoint endpoint(parse_address(front.options.address), front.options.port);
  try {
    acceptor.open(endpoint.protocol());
    acceptor.set_option(asio::socket_base::reuse_address(true));
    acceptor.bind(endpoint);
    port = acceptor.local_endpoint().port();
  } catch (const boost::system::system_error& error) {
    fail(error);
  }
}

void HttpServer::State::listen() {
  try {
    acceptor.listen(asio::socket_base::max_listen_connections);
  } catch (const boost::system::system_error& error) {
    fail(error);
  }
}

void HttpServer::State::accept() {
  acceptor.async_accept(asio::make_strand(*context), [this](const error_code& code, tcp::socket socket) {
    if (!acceptor.is_open()) return;
    if (!code) {
      on_accepted(std::move(socket));
      return accept();
    }
    // No descriptors or no memory left: they come back when connections end.
    pause.expires_after(kAcceptPause);
    pause.async_wait([this](const error_code& cancelled) {
      if (!cancelled && acceptor.is_open()) accept();
    });
  });
}

void HttpServer::State::on_accepted(tcp::socket socket) {
  error_code code;
  const tcp::endpoint peer = socket.remote_endpoint(code);
  if (code) return;  // gone already
  const std::string remote = peer.address().to_string();
  ++front.metrics.accepted;
  if (!make_room(remote)) {
    ++front.metrics.refused_connections;
    socket.non_blocking(true, code);
    socket.write_some(asio::buffer(kTooMany), code);
    socket.shutdown(tcp::socket::shutdown_send, code);
    return;
  }
  const auto connection = std::make_shared<Connection>(context, std::move(socket), remote, front);
  {
    const std::lock_guard lock(mutex);
    connections.emplace(connection.get(), connection);
    ++of_address[remote];
    front.metrics.connections = static_cast<int64_t>(connections.size());
  }
  connection->start();
}

/// Whether one more connection of `remote` may be had: where there are too many, the one that has been idle
/// longest goes.
bool HttpServer::State::make_room(const std::string& remote) {
  const std::lock_guard lock(mutex);
  const Limits& limits = front.options.limits;
  const auto count = of_address.find(remote);
  const bool too_many_there = count != of_address.end() && count->second >= limits.connections_per_address;
  if (connections.size() < limits.connections && !too_many_there) return true;
  // Those that were told to go and have not gone yet count too, so there are never many more than allowed.
  if (connections.size() >= limits.connections + limits.connections / 8 + 1) return false;
  std::shared_ptr<Connection> oldest;
  Connection::Clock::time_point since = Connection::Clock::time_point::max();
  for (const auto& [key, connection] : connections) {
    if (too_many_there && connection->remote() != remote) continue;
    const auto idle = connection->idle_since();
    if (idle && *idle < since) {
      since = *idle;
      oldest = connection;
    }
  }
  if (!oldest) return false;
  ++front.metrics.evicted_connections;
  oldest->close_if_idle();
  return true;
}

void HttpServer::State::remove(Connection& connection) {
  const std::lock_guard lock(mutex);
  if (connections.erase(&connection) == 0) return;
  const auto count = of_address.find(connection.remote());
  if (--count->second == 0) of_address.erase(count);
  front.metrics.connections = static_cast<int64_t>(connections.size());
  changed.notify_all();
}

std::vector<std::shared_ptr<Connection>> HttpServer::State::all() {
  const std::lock_guard lock(mutex);
  std::vector<std::shared_ptr<Connection>> list;
  for (const auto& [key, connection] : connections) list.push_back(connection);
  return list;
}

void HttpServer::State::run() {
  while (true) {
    try {
      context->run();
      return;
    } catch (
        const std::exception& error) {  // memory ran out: the connection it was for ends by its time limits
      front.log.note(fmt::format("internal error: {}", error.what()));
    }
  }
}

HttpServer::HttpServer(const ServerOptions& options, Metrics& metrics, RequestLog& log) {
  check(options);
  state_ = std::make_unique<State>(options, metrics, log);
}

HttpServer::~HttpServer() {
  stop_accepting();
  stop(std::chrono::milliseconds(0));
}

void HttpServer::bind() {
  state_->bind();
}

void HttpServer::start(Routes routes) {
  state_->front.router = Router(std::move(routes));
  state_->bind();
  state_->listen();
  state_->accept();
  for (unsigned i = 0; i < std::max(state_->front.options.io_threads, 1u); ++i) {
    state_->threads.emplace_back([state = state_.get()] { state->run(); });
  }
}

uint16_t HttpServer::port() const {
  return state_->port;
}

std::string HttpServer::url() const {
  const std::string& address = state_->front.options.address;
  const bool six = address.find(':') != std::string::npos;
  return fmt::format("http://{}{}{}:{}", six ? "[" : "", address, six ? "]" : "", port());
}

std::shared_ptr<const std::atomic<bool>> HttpServer::draining() const {
  return state_->front.draining;
}

void HttpServer::stop_accepting() {
  if (*state_->front.draining) return;
  *state_->front.draining = true;
  if (state_->threads.empty()) return;
  std::promise<void> closed;
  asio::post(state_->acceptor.get_executor(), [&closed, state = state_.get()] {
    error_code ignored;
    state->acceptor.close(ignored);
    state->pause.cancel();
    for (const auto& connection : state->all()) connection->close_if_idle();
    closed.set_value();
  });
  closed.get_future().wait();
}

void HttpServer::stop(std::chrono::milliseconds patience) {
  State& state = *state_;
  if (std::exchange(state.stopped, true)) return;
  const auto empty = [&state] { return state.connections.empty(); };
  {
    std::unique_lock lock(state.mutex);
    state.changed.wait_for(lock, patience, empty);
  }
  if (!state.threads.empty()) {
    bool all_gone = false;
    while (!all_gone) {
      for (const auto& connection : state.all()) connection->close_now();
      std::unique_lock lock(state.mutex);
      all_gone = state.changed.wait_for(lock, std::chrono::milliseconds(100), empty);
    }
  }
  state.handlers.join();
  state.work.reset();
  for (std::thread& thread : state.threads) thread.join();
}

}  // namespace caldera::server
