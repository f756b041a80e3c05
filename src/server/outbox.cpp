#include "server/outbox.hpp"

#include <utility>

namespace caldera::server {

void Outbox::wake_up(std::unique_lock<std::mutex> lock) {
  if (awake_ || !wake_) return;
  awake_ = true;
  const std::function<void()> wake = wake_;
  lock.unlock();
  wake();
}

void Outbox::lose(std::unique_lock<std::mutex> lock) {
  closed_ = true;
  waiting_ = {};
  const std::function<void()> callback = std::exchange(callback_, nullptr);
  lock.unlock();
  if (callback) callback();
}

bool Outbox::begin() {
  const std::lock_guard lock(mutex_);
  return !closed_ && !std::exchange(begun_, true);
}

void Outbox::add_all(std::string bytes) {
  std::unique_lock lock(mutex_);
  if (closed_ || finished_) return;
  waiting_ += bytes;
  finished_ = true;
  callback_ = nullptr;
  wake_up(std::move(lock));
}

bool Outbox::add(std::string_view bytes) {
  std::unique_lock lock(mutex_);
  if (closed_ || finished_) return false;
  if (waiting_.size() + taken_ + bytes.size() > most_unread_) {
    overflowed_ = true;
    const std::function<void()> wake = wake_;
    lose(std::move(lock));
    if (wake) wake();
    return false;
  }
  waiting_ += bytes;
  wake_up(std::move(lock));
  return true;
}

void Outbox::finish() {
  std::unique_lock lock(mutex_);
  if (closed_ || finished_) return;
  finished_ = true;
  callback_ = nullptr;
  wake_up(std::move(lock));
}

bool Outbox::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void Outbox::on_closed(std::function<void()> callback) {
  std::unique_lock lock(mutex_);
  if (closed_) {
    lock.unlock();
    if (callback) callback();
  } else if (!finished_) {
    callback_.swap(callback);
    lock.unlock();  // before the old one goes, which may let go of anything
  }
}

bool Outbox::begun() const {
  const std::lock_guard lock(mutex_);
  return begun_;
}

std::string Outbox::take() {
  const std::lock_guard lock(mutex_);
  awake_ = false;
  taken_ += waiting_.size();
  return std::exchange(waiting_, {});
}

void Outbox::sent(size_t bytes) {
  const std::lock_guard lock(mutex_);
  taken_ -= bytes;
}

bool Outbox::done() const {
  const std::lock_guard lock(mutex_);
  return finished_ && waiting_.empty() && taken_ == 0;
}

bool Outbox::overflowed() const {
  const std::lock_guard lock(mutex_);
  return overflowed_;
}

void Outbox::close() {
  std::unique_lock lock(mutex_);
  wake_ = nullptr;
  if (closed_) return;
  if (finished_) {
    closed_ = true;
    waiting_ = {};
    return;
  }
  lose(std::move(lock));
}

}  // namespace caldera::server
