#include "server/http_client.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <stdexcept>
#include <utility>

namespace caldera::test {

using Clock = std::chrono::steady_clock;

HttpClient::HttpClient(uint16_t port, int receive_buffer)
    : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (receive_buffer > 0) {
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(descriptor_);
    throw std::runtime_error("cannot connect");
  }
}

HttpClient::~HttpClient() {
  close();
}

HttpClient::HttpClient(HttpClient&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      ended_(other.ended_),
      input_(std::move(other.input_)) {}

bool HttpClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void HttpClient::finish_sending() {
  shutdown(descriptor_, SHUT_WR);
}

void HttpClient::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

void HttpClient::reset() {
  const linger now{1, 0};
  setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

bool HttpClient::fill(Clock::time_point end) {
  if (ended_) return false;
  const auto left = std::chrono::ceil<milliseconds>(end - Clock::now()).count();
  pollfd readable{descriptor_, POLLIN, 0};
  if (left <= 0 || poll(&readable, 1, static_cast<int>(left)) <= 0) return false;
  char bytes[65536];
  const ssize_t count = recv(descriptor_, bytes, sizeof bytes, 0);
  if (count <= 0) {
    ended_ = true;
    return false;
  }
  input_.append(bytes, static_cast<size_t>(count));
  return true;
}

const std::string& HttpClient::read_until(std::string_view text, milliseconds limit) {
  const auto end = Clock::now() + limit;
  while (input_.find(text) == std::string::npos && fill(end)) {
  }
  return input_;
}

bool HttpClient::closed(milliseconds limit) {
  const auto end = Clock::now() + limit;
  while (fill(end)) {
  }
  return ended_;
}

HttpAnswer HttpClient::answer(milliseconds limit, bool head) {
  const auto end = Clock::now() + limit;
  const auto until = [&](std::string_view text, size_t from) {
    size_t found = input_.find(text, from);
    while (found == std::string::npos && fill(end)) found = input_.find(text, from);
    return found;
  };
  HttpAnswer answer;
  const size_t head_end = until("\r\n\r\n", 0);
  if (head_end == std::string::npos || input_.size() < 12) return answer;
  const int status = std::stoi(input_.substr(9, 3));
  size_t line = input_.find("\r\n") + 2;
  while (line < head_end + 2) {
    const size_t next = input_.find("\r\n", line);
    const size_t colon = input_.find(": ", line);
    std::string name = input_.substr(line, colon - line);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    answer.headers[name] = input_.substr(colon + 2, next - colon - 2);
    line = next + 2;
  }
  size_t at = head_end + 4;
  if (answer.headers.contains("transfer-encoding")) {
    while (true) {
      const size_t size_end = until("\r\n", at);
      if (size_end == std::string::npos) return answer;
      const size_t size = std::stoul(input_.substr(at, size_end - at), nullptr, 16);
      at = size_end + 2;
      while (input_.size() < at + size + 2) {
        if (!fill(end)) return answer;
      }
      answer.body += input_.substr(at, size);
      at += size + 2;
      if (size == 0) break;
    }
  } else if (answer.headers.contains("content-length") && !head) {
    const size_t size = std::stoul(answer.headers["content-length"]);
    while (input_.size() < at + size) {
      if (!fill(end)) return answer;
    }
    answer.body = input_.substr(at, size);
    at += size;
  } else if (status == 200 && !head) {
    while (fill(end)) {
    }
    answer.body = input_.substr(at);
    at = input_.size();
  }
  input_.erase(0, at);
  answer.status = status;
  return answer;
}

HttpAnswer HttpClient::ask(std::string_view bytes) {
  send(bytes);
  return answer();
}

std::string get(std::string_view path, std::string_view headers) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", path, headers);
}

std::string post(std::string_view path, std::string_view body, std::string_view headers) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{}\r\n{}", path,
                     body.size(), headers, body);
}

}  // namespace caldera::test
