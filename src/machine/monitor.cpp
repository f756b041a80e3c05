#include "machine/monitor.hpp"

#include <utility>

namespace caldera::machine {

Monitor::Monitor(Sensors sensors, std::chrono::milliseconds period)
    : sensors_(std::move(sensors)), period_(period) {
  if (sensors_.all().empty()) return;
  read_now();
  thread_ = std::thread([this] { run(); });
}

Monitor::~Monitor() {
  {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
  }
  ending_.notify_all();
  if (thread_.joinable()) thread_.join();
}

MachineState Monitor::state() const {
  const std::scoped_lock lock(mutex_);
  return state_;
}

MachineState Monitor::read_now() {
  const std::scoped_lock one(reading_);
  Readings readings = sensors_.read();
  const std::chrono::duration<double> time = Clock::now() - began_;
  const std::scoped_lock lock(mutex_);
  meter_.add(sensors_, readings, time.count());
  state_.celsius = readings.celsius();
  state_.hertz = readings.hertz();
  state_.watts = meter_.watts_now();
  state_.energy = meter_.total();
  state_.readings = std::move(readings);
  return state_;
}

void Monitor::run() {
  std::unique_lock lock(mutex_);
  while (!ending_.wait_for(lock, period_, [&] { return ended_; })) {
    lock.unlock();
    read_now();
    lock.lock();
  }
}

}  // namespace caldera::machine
