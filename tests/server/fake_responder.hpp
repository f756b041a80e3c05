// A connection that remembers what it was told.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "server/handler.hpp"

namespace caldera::server {

class FakeResponder : public Responder {
 public:
  struct Event {
    std::string name;
    std::string data;
    nlohmann::ordered_json json() const { return nlohmann::ordered_json::parse(data, nullptr, false); }
  };

  void send(int status, std::string body, Headers headers, std::string_view) override {
    const std::scoped_lock lock(mutex_);
    status_ = status;
    body_ = std::move(body);
    headers_ = std::move(headers);
    done_ = true;
    changed_.notify_all();
  }
  void begin_events(Headers headers) override {
    const std::scoped_lock lock(mutex_);
    status_ = 200;
    headers_ = std::move(headers);
  }
  bool event(std::string_view data, std::string_view name) override {
    const std::scoped_lock lock(mutex_);
    events_.push_back({std::string(name), std::string(data)});
    changed_.notify_all();
    return !closed_;
  }
  bool raw(std::string_view) override { return !closed(); }
  void end() override {
    const std::scoped_lock lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }
  bool closed() const override {
    const std::scoped_lock lock(mutex_);
    return closed_;
  }
  void on_closed(std::function<void()> callback) override {
    const std::scoped_lock lock(mutex_);
    callback_ = std::move(callback);
    changed_.notify_all();
  }

  /// The client goes away, as soon as somebody wants to know of it.
  void close() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return callback_ != nullptr; });
    closed_ = true;
    const std::function<void()> callback = callback_;
    lock.unlock();
    if (callback) callback();
  }
  /// Waits for the answer's end; false after ten seconds.
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return done_; });
  }
  int status() const { return status_; }
  nlohmann::ordered_json json() const { return nlohmann::ordered_json::parse(body_, nullptr, false); }
  const std::vector<Event>& events() const { return events_; }
  std::string header(std::string_view name) const {
    for (const Header& header : headers_) {
      if (header.name == name) return header.value;
    }
    return {};
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int status_ = 0;
  bool done_ = false;
  bool closed_ = false;
  std::string body_;
  Headers headers_;
  std::vector<Event> events_;
  std::function<void()> callback_;
};

}  // namespace caldera::server
