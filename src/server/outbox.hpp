// What waits to be sent to one client, between those who answer (any thread) and the connection that sends.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace caldera::server {

class Outbox {
 public:
  /// `wake` is called, by whoever adds, when the connection should look; it is not called again before
  /// take(). `most_unread`: more than that waiting closes the box.
  Outbox(size_t most_unread, std::function<void()> wake)
      : most_unread_(most_unread), wake_(std::move(wake)) {}

  // For those who answer.
  bool begin();  ///< true for the first who asks, and nobody else
  /// Adds a whole answer, whatever its size, and finishes.
  void add_all(std::string bytes);
  /// Adds part of a stream. False: nobody reads, or too slowly.
  bool add(std::string_view bytes);
  void finish();
  bool closed() const;
  void on_closed(std::function<void()> callback);

  // For the connection.
  bool begun() const;
  std::string take();       ///< all that waits; it counts as unread until sent()
  void sent(size_t bytes);  ///< of what was taken
  /// Whether everything was added, and sent.
  bool done() const;
  bool overflowed() const;
  /// The client has gone, or is dropped: what waits is forgotten, and whoever asked on_closed() is told.
  void close();

 private:
  void wake_up(std::unique_lock<std::mutex> lock);
  /// The client is lost: tells who answers, outside the lock.
  void lose(std::unique_lock<std::mutex> lock);

  mutable std::mutex mutex_;
  const size_t most_unread_;
  std::function<void()> wake_;
  std::function<void()> callback_;
  std::string waiting_;
  size_t taken_ = 0;
  bool begun_ = false;
  bool finished_ = false;
  bool closed_ = false;
  bool overflowed_ = false;
  bool awake_ = false;  // the connection was called, and has not looked yet
};

}  // namespace caldera::server
